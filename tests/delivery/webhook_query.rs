//! Webhooks from the application's own table, by `webhooks.query`.

use serde_json::{Value, json};

use crate::operations::fixture::{output_text, release, run};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Received, Receiver};
use crate::support::until;

const HOOKS: &str = "CREATE TABLE hooks (project text, callback text DEFAULT '*', url text, headers jsonb)";

struct Fixture {
    database: Database,
    sidecar: Sidecar,
}

/// `more` is behind the settings of the query.
fn settings(more: &str) -> String {
    format!(
        "[delivery]\nretry_schedule = [\"20ms\"]\n[batch]\nwait_max_ms = 1\n\
         [webhooks]\nquery = \"select project, callback, url, headers from hooks -- all\"\nrefresh = \"100ms\"\n{more}"
    )
}

const ALLOWED: &str = "[egress]\ntenant_allow = [\"127.0.0.0/8\"]\n";

impl Fixture {
    async fn new(name: &str, more: &str) -> Self {
        let database = Database::new(18, name).await;
        database.run(&format!("{DOCUMENTS}; {HOOKS}")).await;
        let sidecar = Sidecar::start(&database, &settings(more)).await;
        Self { database, sidecar }
    }

    /// Changes the table, and waits until its rows are in force.
    async fn change(&self, sql: &str) {
        self.database.run(sql).await;
        let rows = "SELECT coalesce(json_agg(json_build_array(project, url) ORDER BY project), '[]')::text FROM hooks";
        let rows: Value = serde_json::from_str(&self.database.text(rows).await.unwrap()).unwrap();
        let hosts: Vec<Value> =
            rows.as_array().unwrap().iter().map(|row| json!([row[0], host(&row[1])])).collect();
        until("the rows to be in force", async || {
            let list = list(&self.sidecar);
            let of_query = list["webhooks"].as_array()?.iter().filter(|webhook| webhook["origin"] == "query");
            let found: Vec<Value> =
                of_query.map(|webhook| json!([webhook["project"], webhook["host"]])).collect();
            (found == hosts).then_some(())
        })
        .await;
    }

    async fn insert(&self, project: &str, ids: std::ops::Range<u32>) {
        let (first, last) = (ids.start, ids.end - 1);
        let rows = format!("SELECT i, '{project}' FROM generate_series({first}, {last}) i");
        self.database.run(&format!("INSERT INTO documents (id, project_id) {rows}")).await;
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = run(&self.sidecar, arguments).await;
        (output.status.code(), output_text(&output))
    }

    async fn end(mut self) {
        self.sidecar.stop().await;
        release(&self.database).await;
    }
}

fn host(url: &Value) -> String {
    url.as_str().unwrap().trim_start_matches("http://").trim_end_matches('/').to_owned()
}

fn list(sidecar: &Sidecar) -> Value {
    serde_json::from_str(&sidecar.get("/api/v1/webhooks").unwrap().1).unwrap()
}

fn row(project: &str, receiver: &Receiver) -> String {
    format!("INSERT INTO hooks (project, url) VALUES ('{project}', '{}')", receiver.url)
}

fn ids(received: &[Received]) -> Vec<u32> {
    let records = received.iter().filter(|request| request.taken()).flat_map(Received::records);
    records.map(|record| record["id"].as_str().unwrap().parse().unwrap()).collect()
}

async fn taken(receiver: &Receiver, records: usize) {
    until("the records", async || (receiver.records_taken() >= records).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_comes_before_a_row_and_a_row_before_the_file() {
    let [of_any, of_file, of_row, of_set] = receivers().await;
    let file = |project: &str, receiver: &Receiver| {
        format!("[[webhook]]\nproject = \"{project}\"\ncallback = \"*\"\nurl = \"{}\"\n", receiver.url)
    };
    let more = [ALLOWED, &file("*", &of_any), &file("p", &of_file)].concat();
    let fixture = Fixture::new("query_order", &more).await;
    fixture.insert("p", 0..1).await;
    taken(&of_file, 1).await;
    fixture.change(&row("p", &of_row)).await;
    fixture.insert("p", 1..3).await;
    taken(&of_row, 2).await;
    let planned = fixture.sidecar.folder.path().join("planned.toml");
    std::fs::write(&planned, file("p", &of_set)).unwrap();
    let (_, plan) = fixture.run(&["webhooks", "apply", planned.to_str().unwrap(), "--dry-run"]).await;
    assert!(plan.contains("+ p *") && plan.contains("comes before that of webhooks.query"), "{plan}");
    let (status, said) = fixture.run(&["webhooks", "set", "--project", "p", "--url", &of_set.url]).await;
    assert_eq!(status, Some(0), "{said}");
    fixture.insert("p", 3..6).await;
    taken(&of_set, 3).await;
    let origins: Vec<Value> = list(&fixture.sidecar)["webhooks"].as_array().unwrap().clone();
    let shown = |at: usize| {
        (origins[at]["project"].clone(), origins[at]["origin"].clone(), origins[at]["set_in"].clone())
    };
    assert_eq!(shown(1), (json!("p"), json!("set"), Value::Null));
    let (any, origin, place) = shown(0);
    assert_eq!((any, origin), (json!("*"), json!("file")));
    let line = std::fs::read_to_string(fixture.sidecar.settings()).unwrap();
    let line = line.lines().position(|line| line == "[[webhook]]").unwrap() + 1;
    assert_eq!(place, json!(format!("sidecar.toml, line {line}")));
    let (_, exported) = fixture.run(&["webhooks", "export"]).await;
    assert!(
        exported.starts_with("# Set at ") && exported.contains("# Not exported: 1 of [[webhook]]"),
        "{exported}"
    );
    let (_, said) = fixture.run(&["webhooks", "remove", "--project", "p"]).await;
    let (_, shown) = fixture.run(&["webhooks", "list"]).await;
    assert!(shown.contains("webhooks.query") && shown.contains(", line "), "{said}{shown}");
    fixture.insert("p", 6..7).await;
    taken(&of_row, 3).await;
    fixture.change("DELETE FROM hooks").await;
    fixture.insert("p", 7..8).await;
    taken(&of_file, 2).await;
    fixture.sidecar.idle().await;
    let each = [&of_any, &of_file, &of_row, &of_set].map(|receiver| ids(&receiver.received()));
    assert_eq!(each, [vec![], vec![0, 7], vec![1, 2, 6], vec![3, 4, 5]]);
    fixture.end().await;
}

async fn receivers<const COUNT: usize>() -> [Receiver; COUNT] {
    let mut receivers = Vec::new();
    for _ in 0..COUNT {
        receivers.push(Receiver::start().await);
    }
    receivers.try_into().unwrap_or_else(|_| panic!("as many as were started"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changes_under_traffic_loses_doubles_and_reorders_nothing() {
    let fixture = Fixture::new("query_changes", ALLOWED).await;
    let receivers: [Receiver; 2] = receivers().await;
    fixture.change(&row("p", &receivers[0])).await;
    for round in 0..8_u32 {
        fixture.insert("p", round * 100..round * 100 + 100).await;
        let next = &receivers[(round as usize + 1) % 2];
        fixture.change(&format!("UPDATE hooks SET url = '{}'", next.url)).await;
    }
    until("all records", async || {
        (receivers.iter().map(Receiver::records_taken).sum::<usize>() >= 800).then_some(())
    })
    .await;
    fixture.sidecar.idle().await;
    // What waits when its row goes is kept, and sent when one returns.
    receivers.iter().for_each(|receiver| receiver.answers(|_| Answer::Status(503)));
    fixture.insert("p", 800..850).await;
    until("an attempt that fails", async || {
        receivers
            .iter()
            .any(|receiver| receiver.received().iter().any(|request| !request.taken()))
            .then_some(())
    })
    .await;
    fixture.change("DELETE FROM hooks").await;
    until("the lane to be without webhook", async || {
        (fixture.sidecar.status()?["lanes"][0]["state"] == "without webhook").then_some(())
    })
    .await;
    receivers.iter().for_each(|receiver| receiver.answers(|_| Answer::Status(204)));
    fixture.change(&row("p", &receivers[1])).await;
    until("all records", async || {
        (receivers.iter().map(Receiver::records_taken).sum::<usize>() >= 850).then_some(())
    })
    .await;
    fixture.sidecar.idle().await;
    let mut requests: Vec<_> = receivers.iter().flat_map(Receiver::received).collect();
    requests.sort_by_key(|request| request.at);
    assert_eq!(ids(&requests), (0..850).collect::<Vec<_>>());
    assert!(receivers.iter().all(|receiver| receiver.records_taken() > 0), "both had a part");
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_query_keeps_its_last_list_and_a_start_waits_for_the_first() {
    let mut fixture = Fixture::new("query_errors", ALLOWED).await;
    let receiver = Receiver::start().await;
    fixture.change(&row("p", &receiver)).await;
    fixture.database.run("ALTER TABLE hooks RENAME TO gone").await;
    let error = until("the error", async || {
        let sources = fixture.sidecar.status()?["webhooks"].clone();
        Some(sources["query"]["error"].as_str()?.to_owned())
    })
    .await;
    assert!(error.contains("hooks") && error.contains("does not exist"), "{error}");
    fixture.insert("p", 0..3).await;
    taken(&receiver, 3).await;
    assert_eq!(fixture.sidecar.metric("sidecar_webhooks_query_last_read_successful"), 0);
    fixture.database.run("ALTER TABLE gone RENAME TO hooks").await;
    let recovered = async || {
        until("the query to be read", async || {
            (fixture.sidecar.metric("sidecar_webhooks_query_last_read_successful") == 1).then_some(())
        })
        .await;
    };
    recovered().await;
    let said = fixture.sidecar.log().matches("stay in force").count();
    assert_eq!(said, 1, "once, whatever the number of tries");
    // A lost session is opened again.
    fixture.database.run("ALTER TABLE hooks ADD error text").await;
    fixture
        .database
        .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%hooks -- all%' AND pid <> pg_backend_pid()")
        .await;
    let second = Receiver::start().await;
    fixture.change(&row("q", &second)).await;
    // Without its first list, a process does not know which records have a webhook: it waits, and loses none.
    fixture.sidecar.stop().await;
    fixture.database.run("ALTER TABLE hooks RENAME TO gone").await;
    fixture.sidecar.spawn();
    fixture.sidecar.in_state("waiting_for_webhooks").await;
    let (status, why) = fixture.sidecar.get("/-/ready").unwrap();
    assert!(status == 503 && why.contains("webhooks.query"), "{why}");
    fixture.insert("q", 3..6).await;
    fixture.database.run("ALTER TABLE gone RENAME TO hooks").await;
    taken(&second, 3).await;
    assert_eq!((ids(&receiver.received()), ids(&second.received())), (vec![0, 1, 2], vec![3, 4, 5]));
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_row_is_refused_by_itself_and_no_row_reaches_inside() {
    let fixture = Fixture::new("query_rows", "").await;
    let (inside, allowed) = (Receiver::start().await, Receiver::start().await);
    let rows = [
        ("p", inside.url.as_str(), "null"),
        ("scheme", "ftp://geheim/", "null"),
        ("header", "https://h.example/", "{\"host\": \"geheim\"}"),
        ("reference", "https://h.example/", "{\"x\": {\"env\": \"GEHEIM\"}}"),
        ("*", "https://h.example/", "null"),
    ];
    for (project, url, headers) in rows {
        let headers = if headers == "null" { headers.to_owned() } else { format!("'{headers}'") };
        fixture
            .database
            .run(&format!("INSERT INTO hooks VALUES ('{project}', '*', '{url}', {headers})"))
            .await;
    }
    let query = until("four refused rows", async || {
        let query = fixture.sidecar.status()?["webhooks"]["query"].clone();
        (query["refused"].as_array()?.len() == 4 && query["webhooks"] == 1).then_some(query)
    })
    .await;
    assert!(query["refused"][1]["why"].as_str().unwrap().starts_with("`webhook.headers.host`"), "{query}");
    assert_eq!(fixture.sidecar.metric("sidecar_webhooks_query_refused_rows"), 4);
    let (_, shown) = fixture.run(&["status"]).await;
    assert!(shown.contains("the row of scheme/* is refused: `webhook.url`"), "{shown}");
    assert!(!(shown + &fixture.sidecar.log()).contains("geheim"));
    fixture.insert("p", 0..1).await;
    until("the refusal of the address", async || {
        (fixture.sidecar.status()?["lanes"][0]["last_outcome"] == "egress").then_some(())
    })
    .await;
    // The operator's own webhook may go there.
    let (_, said) = fixture.run(&["webhooks", "set", "--project", "q", "--url", &allowed.url]).await;
    fixture.insert("q", 1..2).await;
    taken(&allowed, 1).await;
    assert_eq!(inside.received().len(), 0, "{said}");
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_listed_is_locked_and_says_so() {
    let mut fixture = Fixture::new("query_locked", ALLOWED).await;
    let (of_row, of_set) = (Receiver::start().await, Receiver::start().await);
    let set = ["webhooks", "set", "--project", "p", "--url", &of_set.url];
    assert_eq!(fixture.run(&set).await.0, Some(0));
    fixture.change(&row("q", &of_row)).await;
    let locked = settings(&["from = [\"query\"]\n", ALLOWED].concat());
    fixture.sidecar.reload(&fixture.database, &locked).await;
    for arguments in
        [&set[..], &["webhooks", "remove", "--project", "p"], &["webhooks", "rotate", "--project", "q"]]
    {
        let (status, said) = fixture.run(arguments).await;
        assert!(status == Some(1) && said.contains("`webhooks.from` has \"query\" only"), "{said}");
    }
    let detail: Value =
        serde_json::from_str(&fixture.sidecar.get("/api/v1/webhooks/q/*").unwrap().1).unwrap();
    assert!(detail["locked"].as_str().unwrap().contains("`webhooks.from`"), "{detail}");
    assert!(fixture.sidecar.log().contains("are not used"), "what was set is said");
    fixture.insert("p", 0..1).await;
    fixture.insert("q", 1..2).await;
    taken(&of_row, 1).await;
    assert_eq!(of_set.received().len(), 0);
    fixture.sidecar.reload(&fixture.database, &settings(ALLOWED)).await;
    fixture.insert("p", 2..3).await;
    taken(&of_set, 1).await;
    fixture.sidecar.stop().await;
    let check = |more: &str| {
        fixture.sidecar.configure(&fixture.database, &settings(more));
        let output = fixture.sidecar.command("check-config").output().unwrap();
        assert_eq!(output.status.code(), Some(78));
        output_text(&output)
    };
    assert!(
        check("from = [\"file\"]\n").contains("`webhooks.query`: `webhooks.from` does not have \"query\"")
    );
    let section = "from = [\"query\"]\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://h/\"\n";
    assert!(check(section).contains("there are [[webhook]] sections"));
    assert!(check("from = [\"fil\"]\n").contains("`fil` is not one of"));
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_goes_and_comes_back_starts_its_give_up_clock_again() {
    let database = Database::new(18, "query_clock").await;
    database.run(&format!("{DOCUMENTS}; {HOOKS}")).await;
    let mut sidecar = Sidecar::prepare(&database, &settings(ALLOWED));
    sidecar.spawn_with(&[("SIDECAR_DELIVERY__GIVE_UP_AFTER", "3s")]);
    sidecar.ready().await;
    let fixture = Fixture { database, sidecar };
    let [receiver] = receivers::<1>().await;
    receiver.answers(|_| Answer::Status(500));
    fixture.change(&row("acme", &receiver)).await;
    fixture.insert("acme", 1..4).await;
    let failing = async || {
        let status = fixture.sidecar.status()?;
        let lane = status["lanes"].as_array()?.iter().find(|lane| lane["project"] == "acme")?.clone();
        (lane["state"] == "failing").then_some(())
    };
    until("the lane to fail", failing).await;
    fixture.change("DELETE FROM hooks").await;
    let gone = std::time::Instant::now();
    until("more than the time", async || (gone.elapsed().as_secs() >= 4).then_some(())).await;
    let dead = || fixture.sidecar.status().unwrap()["spool"]["dead_letter_records"].clone();
    assert_eq!(dead(), 0, "without a webhook its time does not run");
    fixture.change(&row("acme", &receiver)).await;
    until("the lane to fail again", failing).await;
    assert_eq!(dead(), 0, "it was away, and did not fail");
    receiver.answers(|_| Answer::Status(204));
    taken(&receiver, 3).await;
    assert_eq!(dead(), 0);
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_the_query_gives_and_which_rows_are_refused() {
    let fixture = Fixture::new("query_doctor", ALLOWED).await;
    let doctor = async || {
        let (_, printed) = fixture.run(&["doctor"]).await;
        let (status, body) = fixture.sidecar.get("/api/v1/doctor").unwrap();
        assert_eq!(status, 200, "{body}");
        let report: Value = serde_json::from_str(&body).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        let of_query = |finding: &&Value| finding["title"].as_str().unwrap().starts_with("`webhooks.query`");
        let found = findings.iter().find(of_query).unwrap().clone();
        let title = found["title"].as_str().unwrap();
        assert!(printed.contains(title), "{title}: {printed}");
        (found["severity"].clone(), title.to_owned(), found["explanation"].as_str().unwrap().to_owned())
    };
    assert_eq!(doctor().await, (json!("ok"), "`webhooks.query` gives 0 webhooks".to_owned(), String::new()));
    fixture.database.run("INSERT INTO hooks (project, url) VALUES ('a', 'http://127.0.0.1:9/a')").await;
    assert_eq!(doctor().await.1, "`webhooks.query` gives 1 webhook");
    fixture.database.run("INSERT INTO hooks (project, url) VALUES ('b', 'ftp://geheim/')").await;
    let (severity, title, explanation) = doctor().await;
    assert_eq!(
        (severity, title.as_str()),
        (json!("warning"), "`webhooks.query` gives 1 webhook, and 1 row is refused")
    );
    assert!(
        explanation.starts_with("b/*: `webhook.url`") && !explanation.contains("geheim"),
        "{explanation}"
    );
    fixture.database.run("ALTER TABLE hooks RENAME TO other").await;
    let (severity, title, explanation) = doctor().await;
    assert!(severity == "warning" && title.contains("hooks"), "{title}");
    assert!(explanation.contains("SELECT on the table"), "{explanation}");
    fixture.end().await;
}
