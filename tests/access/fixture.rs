//! A sidecar with a known port, and requests to it as a client makes them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::database::{DOCUMENTS, Database};
use crate::support::port::port_for_later;
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::until;

pub(super) struct Fixture {
    pub(super) database: Database,
    pub(super) receiver: Receiver,
    pub(super) sidecar: Sidecar,
    pub(super) port: u16,
}

/// An answer, as it came.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// `name=value` of the cookie that it sets.
    pub(super) fn cookie(&self) -> String {
        self.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }
}

impl Fixture {
    /// `admin` are settings of `[admin]`, as variables name them.
    pub(super) async fn new(name: &str, admin: &[(&str, &str)]) -> Self {
        let database = Database::new(18, name).await;
        database.run(DOCUMENTS).await;
        let receiver = Receiver::start().await;
        // `[spool]` comes before: `spool.key`.
        let settings = format!(
            "key = \"{}\"\n[delivery]\nretry_schedule = [\"20ms\"]\n[batch]\nwait_max_ms = 1\n",
            "1".repeat(64)
        );
        let mut me = Self {
            sidecar: Sidecar::prepare(&database, &settings),
            database,
            receiver,
            port: port_for_later(),
        };
        me.spawn(admin);
        me.sidecar.ready().await;
        me
    }

    pub(super) fn spawn(&mut self, admin: &[(&str, &str)]) {
        let listen = format!("127.0.0.1:{}", self.port);
        let variables: Vec<(String, &str)> = [("LISTEN", listen.as_str())]
            .iter()
            .chain(admin)
            .map(|(name, value)| (format!("SIDECAR_ADMIN__{name}"), *value))
            .collect();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.sidecar.spawn_with(&variables);
    }

    /// A request on the port.
    pub(super) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        exchange(stream, &request_text(method, path, headers, body))
    }

    pub(super) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, "")
    }

    /// With a token.
    pub(super) fn with(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[("authorization", &format!("Bearer {token}"))], &body)
    }

    /// A stream that was begun. The head of the answer has arrived.
    pub(super) fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        stream.write_all(request_text("GET", path, headers, "").as_bytes()).unwrap();
        Stream { socket: stream, text: String::new(), has_ended: false }
    }

    /// Asks the socket.
    pub(super) fn socket(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, body) = self.sidecar.request(method, path, &body).unwrap();
        Answer { status, head: String::new(), body }
    }

    /// A token, made over the socket.
    pub(super) fn token(&self, name: &str, can: &[&str], project: Option<&str>) -> String {
        let made =
            self.socket("POST", "/api/v1/tokens", &json!({"name": name, "can": can, "project": project}));
        assert_eq!(made.status, 200, "{made:?}");
        made.json()["token"].as_str().unwrap().to_owned()
    }

    /// The path of a link, made over the socket, and its id.
    pub(super) fn link(&self, request: &Value) -> (String, String) {
        let made = self.socket("POST", "/api/v1/links", request);
        assert_eq!(made.status, 200, "{made:?}");
        let made = made.json();
        (made["path"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
    }

    /// The webhook of a project, to the receiver.
    pub(super) fn webhook(&self, project: &str) {
        let url = format!("{}/{project}", self.receiver.url);
        let set = self.socket("PATCH", &format!("/api/v1/webhooks/{project}/*"), &json!({"url": url}));
        assert_eq!(set.status, 200, "{set:?}");
    }

    pub(super) async fn insert(&self, project: &str, id: u32) {
        let sql =
            format!("INSERT INTO documents (id, key, project_id) VALUES ({id}, 'k-{project}', '{project}')");
        self.database.run(&sql).await;
    }
}

/// What has arrived of a stream.
pub(super) struct Stream {
    socket: TcpStream,
    pub(super) text: String,
    pub(super) has_ended: bool,
}

impl Stream {
    /// Reads what is there.
    pub(super) fn read(&mut self) -> &str {
        let mut buffer = [0; 16_384];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.has_ended = true,
            Ok(count) => self.text.push_str(&String::from_utf8_lossy(&buffer[..count])),
            Err(_) => {}
        }
        &self.text
    }

    pub(super) async fn until_it_has(&mut self, text: &str) {
        until(&format!("{text} in the stream"), async || self.read().contains(text).then_some(())).await;
    }

    /// Or until it has ended without it.
    pub(super) async fn until_it_has_or_ends(&mut self, text: &str) {
        until(&format!("{text} in the stream, or its end"), async || {
            let is_there = self.read().contains(text);
            (is_there || self.has_ended || self.text.ends_with("0\r\n\r\n")).then_some(())
        })
        .await;
    }

    pub(super) async fn until_it_ends(&mut self) {
        until("the end of the stream", async || {
            self.read();
            // The last chunk, where the connection stays.
            (self.has_ended || self.text.ends_with("0\r\n\r\n")).then_some(())
        })
        .await;
    }
}

pub(super) fn request_text(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text =
        format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "host") {
        text.push_str("host: localhost\r\n");
    }
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text + "\r\n" + body
}

/// The whole answer, or what of it arrives in time.
pub(super) fn exchange(mut stream: TcpStream, request: &str) -> Answer {
    stream.set_read_timeout(Some(Duration::from_millis(1_500))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    Answer::parse(&read_all(&mut stream))
}

pub(super) fn read_all(stream: &mut impl Read) -> String {
    let (mut text, mut buffer) = (Vec::new(), [0; 16_384]);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        text.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&text).into_owned()
}
