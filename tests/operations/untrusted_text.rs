//! Texts of tenants and receivers on their way to a terminal, and secrets that stay where they are.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::operations::fixture::Fixture;
use crate::support::receiver::Answer;
use crate::support::until;

/// A terminal acts on these, or they hide what is written.
const ACTING: [char; 9] =
    ['\u{1b}', '\u{7}', '\u{8}', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{e0041}'];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_tenant_acts_on_a_terminal_and_every_json_is_shown() {
    let fixture = Fixture::new(18, "operations_foreign", "").await;
    fixture.receiver.answers(|_| Answer::Status(413));
    let project = format!("evil{}", ACTING.iter().collect::<String>());
    fixture.database.run("ALTER TABLE documents ALTER labels TYPE json USING NULL").await;
    fixture
        .database
        .client
        .execute("INSERT INTO documents (id, key, project_id, labels) VALUES (1, $1, $1, '1')", &[&project])
        .await
        .unwrap();
    let odd = [
        "{\"a\":1e999,\"b\":-1E+400,\"c\":123456789012345678901234567890}",
        "\"\\ud800 lone\"",
        "{\"\\udfff\":\"\\ud83d\"}",
        "{\"a\":1,\n\r \"a\":2}",
    ];
    let deep = "[".repeat(600) + &"]".repeat(600);
    let acting = format!("\"{}\"", ACTING.iter().filter(|c| !c.is_ascii()).collect::<String>());
    let values = [&odd[..], &[&deep, &acting]].concat();
    for value in &values {
        fixture
            .database
            .client
            .execute("UPDATE documents SET labels = $1::text::json", &[value])
            .await
            .unwrap();
    }
    let letters = values.len() as u64 + 1;
    until("dead letters", async || {
        (fixture.sidecar.status()?["spool"]["dead_letter_records"].as_u64()? >= letters).then_some(())
    })
    .await;
    let mut shown = String::new();
    let numbers: Vec<String> = (1..=letters).map(|no| no.to_string()).collect();
    let mut all = vec![
        vec!["status"],
        vec!["status", "--json"],
        vec!["dead-letters", "list"],
        vec!["dead-letters", "list", "--json"],
    ];
    all.extend([
        vec!["replay", "--since", "1h", "--dry-run"],
        vec!["replay", "list"],
        vec!["replay", "list", "--json"],
    ]);
    all.push(vec!["replay", "--since", "1h", "--dry-run", "--project", "\u{1b}[31mnobody"]);
    all.push(vec!["doctor"]);
    for number in &numbers {
        all.push(vec!["dead-letters", "show", number]);
        all.push(vec!["dead-letters", "show", number, "--json"]);
    }
    for arguments in all {
        let output = fixture.run(&arguments).await;
        let output_text = crate::operations::fixture::output_text(&output);
        let wrong: Vec<char> = output_text.chars().filter(|c| ACTING.contains(c)).collect();
        assert!(wrong.is_empty(), "{arguments:?}: {wrong:?} in {output_text:?}");
        let refused = arguments.last().is_some_and(|last| last.ends_with("nobody"));
        assert_eq!(output.status.code(), Some(if refused { 64 } else { 0 }), "{arguments:?}: {output_text}");
        if arguments.contains(&"--json") && !arguments.contains(&"list") {
            let json: Result<Box<serde_json::value::RawValue>, _> = serde_json::from_str(&output_text);
            assert!(json.is_ok(), "{arguments:?}: {output_text}");
        }
        shown.push_str(&output_text);
    }
    for part in ["1e999", "123456789012345678901234567890", "\\ud800 lone", "evil"] {
        assert!(shown.contains(part), "{part} is shown");
    }
    let mut sidecar = fixture.sidecar;
    sidecar.stop().await;
    crate::operations::fixture::release(&fixture.database).await;
}

#[test]
fn receive_prints_no_control_character_of_a_body_or_header() {
    let mut receive = Command::new(env!("CARGO_BIN_EXE_sidecar"))
        .args(["receive", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(receive.stderr.take().unwrap());
    let mut first_line = String::new();
    errors.read_line(&mut first_line).unwrap();
    let address = first_line.trim().rsplit('/').next().unwrap().to_owned();
    let post = |project: &str, body: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: {address}\r\nsidecar-project: {project}\r\nsidecar-callback: a\tb\r\n\
             sidecar-positions: 1..2\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    // A JSON string may hold unescaped characters from U+0020 on, a header visible ASCII and bytes from 0x80 on.
    let unescaped: String = ACTING.iter().filter(|c| **c > ' ').collect();
    let body = format!("{{\"modified\":[{{\"id\":\"1\",\r\n \"key\":\"k{unescaped}\",\"labels\":null}}]}}");
    assert_eq!(post("acme", &body), 204);
    assert_eq!(post(&format!("evil{}", unescaped.replace('\u{7f}', "")), "{\"docs\":[]}"), 204);
    assert_eq!(post("\u{1b}[31m", "{\"docs\":[]}"), 400, "no header may hold it");
    assert_eq!(post("acme", &format!("not JSON {}", ACTING.iter().collect::<String>())), 204);
    Command::new("kill").args(["-s", "INT", &receive.id().to_string()]).status().unwrap();
    let mut output = Vec::new();
    receive.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    errors.read_to_end(&mut output).unwrap();
    receive.wait().unwrap();
    let printed = String::from_utf8(output).unwrap();
    let unsafe_characters: Vec<char> =
        printed.chars().filter(|c| c.is_control() && *c != '\n' || ACTING.contains(c)).collect();
    assert!(unsafe_characters.is_empty(), "{unsafe_characters:?} in {printed:?}");
    let record = r#"    {"id":"1",   "key":"k\u007f\u009b\u202e\u2066\u200b\udb40\udc41","labels":null}"#;
    assert!(printed.lines().any(|line| line == record), "{printed}");
    assert!(printed.contains("a\\tb acme 1..2 attempt -"), "{printed}");
    assert!(printed.contains("3 requests with 1 record;"), "{printed}");
}

#[test]
fn no_error_and_no_listing_repeats_a_url_that_is_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidecar.toml");
    let hook = |url: &str| format!("[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{url}\"\n");
    let postgres = |url: &str| format!("[postgres]\nurl = \"{url}\"\n");
    let mut settings: Vec<String> = [
        "https://hooks.example/services/T0/geheimB24XpKq9ZtWmN3",
        "https://hooks.example/?token=geheim",
        "https://u:geheim@hooks.example/",
        "https://hooks.example:99999/geheim",
        "https://hooks example/geheim",
        "htps://hooks.example/geheim",
        "geheim",
        "https://hooks.example/geheim\\u0007",
        "http:///geheim",
    ]
    .map(hook)
    .to_vec();
    settings.extend(
        [
            "postgresql://u:geheim@h:port/d",
            "postgresql://u:geh/eim?geheim@h/d",
            "postgresql://u@h/d?password=geheim&sslmode=nonsense",
            "postgresql://u@h/d?geheim",
            "postgresql://u@h/d?password=geheim&x y=1",
            "host=h password='geheim",
            "host=h password=geheim port=x",
            "geheim",
        ]
        .map(postgres),
    );
    settings.extend(
        ["http://u:geheim@proxy:99999", "https://u:geheim@proxy", "http://u:geheim@proxy:1", "geheim"]
            .map(|proxy| format!("[egress]\nproxy = \"{proxy}\"\n")),
    );
    for text in &settings {
        std::fs::write(&file, text).unwrap();
        for command in ["check-config", "config", "run", "doctor", "setup"] {
            if command != "check-config" && command != "config" && !text.contains("[egress]") {
                continue;
            }
            let mut program = Command::new(env!("CARGO_BIN_EXE_sidecar"));
            let program = program
                .arg(command)
                .arg("--config")
                .arg(&file)
                .arg("--set")
                .arg("postgres.connect_timeout_ms=1");
            if command == "run" && text.contains("proxy:1\"") {
                continue;
            }
            let output_text = crate::operations::fixture::output_text(&program.output().unwrap());
            assert!(!output_text.contains("geheim"), "{command} of {text}: {output_text}");
        }
    }
    let mut program = Command::new(env!("CARGO_BIN_EXE_sidecar"));
    let output_text =
        program.args(["check-config", "--set", "url=postgres://u:geheim@h/d"]).output().unwrap();
    assert!(!crate::operations::fixture::output_text(&output_text).contains("geheim"), "{output_text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_answers_under_its_own_names_alone() {
    let (fixture, port) = {
        let port = crate::support::port::port_for_later();
        let fixture = Fixture::new(18, "operations_host", "").await;
        (fixture, port)
    };
    let mut sidecar = fixture.sidecar;
    sidecar.stop().await;
    let request = |host: &str, more: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        let host = if host.is_empty() { String::new() } else { format!("host: {host}\r\n") };
        write!(stream, "GET /api/v1/status HTTP/1.1\r\n{host}{more}connection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse::<u16>().ok()
    };
    let own = [
        "localhost",
        "localhost:1",
        "LOCALHOST",
        "localhost.",
        "x.localhost",
        "127.0.0.1",
        "127.9.9.9:80",
        "[::1]",
        "[::1]:9",
    ];
    let foreign = [
        "evil.example",
        "evil.example:9187",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "notlocalhost",
        "10.0.0.1",
        "[fe80::1]",
        "localhost@evil.example",
        "evil.example@localhost",
        "0x7f.1.evil",
        "\u{ff}",
        "a b",
    ];
    for token in ["", "token = \"t\"\nhosts = [\"Sidecar.example\"]\n"] {
        let text = std::fs::read_to_string(sidecar.settings()).unwrap();
        let admin = format!("listen = \"127.0.0.1:{port}\"\n{token}[log]");
        let start = text.find("listen = ").unwrap();
        let end = text.find("[log]").unwrap() + "[log]".len();
        std::fs::write(sidecar.settings(), format!("{}{admin}{}", &text[..start], &text[end..])).unwrap();
        sidecar.spawn();
        sidecar.ready().await;
        let bearer = "authorization: Bearer t\r\n";
        until("the port", async || request("localhost", bearer)).await;
        for host in own {
            assert_eq!(request(host, if token.is_empty() { "" } else { bearer }), Some(200), "{host}");
        }
        for host in foreign {
            let refused = request(host, "");
            assert!(matches!(refused, Some(421 | 400)), "{host}: {refused:?}");
        }
        if !token.is_empty() {
            assert_eq!(request("evil.example", bearer), Some(421), "a token makes no name ours");
            assert_eq!(request("localhost", ""), Some(401));
            assert_eq!(request("sidecar.example:443", bearer), Some(200));
        }
        sidecar.stop().await;
    }
    crate::operations::fixture::release(&fixture.database).await;
}
