//! A page that has nothing to show says what the next step is, and leads there.

use std::path::Path;

use crate::operations::fixture::release;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;

/// Pages with nothing in them: as they are opened, and filtered to nothing.
const PAGES: [&str; 17] = [
    "",
    "projects",
    "projects?search=zz",
    "deliveries",
    "deliveries?state=delivered",
    "dead-letters",
    "dead-letters?reason=refused",
    "jobs",
    "replay",
    "replay/start?since=2020-01-01T00:00:00Z",
    "table",
    "audit",
    "settings?search=zz",
    "doctor",
    "document",
    "document?project=zz&id=1",
    "tail",
];

/// Templates whose empty part is followed by the buttons for it.
const WITH_BUTTONS: [&str; 2] = ["attempts.html", "project.html"];

#[tokio::test(flavor = "multi_thread")]
async fn every_empty_page_leads_to_the_next_step() {
    let database = Database::new(15, "empty_pages").await;
    database.run(DOCUMENTS).await;
    let mut sidecar = Sidecar::start(&database, "").await;
    for page in PAGES {
        let (status, html) = sidecar.get(&format!("/{page}")).unwrap();
        assert_eq!(status, 200, "{page}: {html}");
        let boxes: Vec<&str> = html
            .split("<div class=\"empty\">")
            .skip(1)
            .map(|rest| rest.split_once("</div>").unwrap().0)
            .collect();
        assert!(!boxes.is_empty(), "{page}: {html}");
        for text in boxes {
            let links: Vec<&str> =
                text.split("href=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
            assert!(!links.is_empty(), "{page}: {text}");
            for link in links {
                if let Some(id) = link.strip_prefix('#') {
                    assert!(html.contains(&format!("id=\"{id}\"")), "{page}: {link}");
                    continue;
                }
                let path = link.trim_start_matches("../").trim_start_matches("./").replace("&#38;", "&");
                let (status, led_to) = sidecar.get(&format!("/{path}")).unwrap();
                assert_eq!(status, 200, "{page}: {link}: {led_to}");
            }
        }
    }
    sidecar.stop().await;
    release(&database).await;
}

#[test]
fn no_template_says_that_there_is_nothing_without_a_link() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page/templates");
    let with: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| std::fs::read_to_string(path).unwrap().contains("call parts::empty("))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !WITH_BUTTONS.contains(&name.as_str()))
        .collect();
    assert_eq!(with, [] as [String; 0]);
}
