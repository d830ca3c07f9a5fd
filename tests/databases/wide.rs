//! As many columns as a table may have.

use crate::databases::helpers::{close, delivered_before, ingested, to};
use crate::support::VERSIONS;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;

/// Content columns beside those of the usual table. With its eleven, 1,589 make 1,600.
const WIDTHS: [u32; 6] = [100, 500, 829, 840, 1_500, 1_589];

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_any_width_is_entered_followed_and_compared() {
    for version in VERSIONS {
        for width in WIDTHS {
            let database = Database::new(version, "wide").await;
            database.run(DOCUMENTS).await;
            let columns: Vec<String> = (1..=width).map(|column| format!("ADD c{column} text")).collect();
            database.run(&format!("ALTER TABLE documents {}", columns.join(", "))).await;
            let middle = width / 2;
            database
                .run(&format!(
                    "INSERT INTO documents (id, project_id, c1, c{middle}, c{width})
                     SELECT g, 'p', 'a', repeat('x', 9000), 'z' FROM generate_series(1, 6) g"
                ))
                .await;
            let receiver = Receiver::start().await;
            let mut sidecar = Sidecar::start(&database, &to(&receiver)).await;
            database
                .run(&format!(
                    "UPDATE documents SET c1 = 'a', c{middle} = repeat('x', 9000), c{width} = 'z' WHERE id = 1;
                     UPDATE documents SET c{width} = 'y' WHERE id = 2;
                     UPDATE documents SET c{middle} = repeat('x', 8999) || 'y' WHERE id = 3"
                ))
                .await;
            assert_eq!(
                delivered_before(&database, &receiver, 90).await,
                ingested(&["2", "3"]),
                "{width}, {version}"
            );

            // Without its slot, the table is compared.
            assert!(sidecar.stop().await.success());
            database.run(&format!("SELECT pg_drop_replication_slot('s_{}')", database.name)).await;
            database
                .run(&format!(
                    "UPDATE documents SET c1 = 'b' WHERE id = 4; UPDATE documents SET c{width} = NULL WHERE id = 5;
                     UPDATE documents SET c{middle} = repeat('x', 8999) || 'z' WHERE id = 6"
                ))
                .await;
            sidecar.spawn();
            sidecar.ready().await;
            let mut delivered = delivered_before(&database, &receiver, 91).await;
            delivered.sort();
            assert_eq!(delivered, ingested(&["4", "5", "6"]), "compared: {width}, {version}");
            close(sidecar, &database).await;
        }
    }
}
