//! Debian's chromium through WebDriver: <https://www.w3.org/TR/webdriver2/>
//!
//! A client of our own: a few requests of JSON. Of the crates, fantoccini brings code under the MPL, and
//! thirtyfour an HTTP client of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::support::until;

/// One browser with one window. It ends when this is dropped.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Of the page: `http://127.0.0.1:9187/`
    root: String,
    _permit: SemaphorePermit<'static>,
}

impl Browser {
    /// Opens the first page of what is served at `root`. It signs in with the token.
    pub(crate) async fn open(root: &str, token: &str) -> Self {
        let permit = BROWSERS.acquire().await.unwrap();
        let (driver, port) = until("chromedriver to say its port", async || driver()).await;
        let mut me = Self { driver, port, session: String::new(), root: root.to_owned(), _permit: permit };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1280,900",
            "--force-color-profile=srgb",
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}}});
        let session =
            me.request("POST", "/session", &wanted).unwrap_or_else(|error| panic!("{error}: {INSTALL}"));
        me.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        me.sign_in(token).await;
        me
    }

    pub(crate) async fn sign_in(&self, token: &str) {
        self.go("sign-in").await;
        self.fill("input[name='token']", token).await;
        self.press(&ENTER.to_string()).await;
        self.sees("#main").await;
    }

    /// Opens a page by its path.
    pub(crate) async fn go(&self, path: &str) {
        self.command("/url", &json!({"url": format!("{}{path}", self.root)}));
        self.loaded().await;
    }

    async fn loaded(&self) {
        until("the page to be loaded", async || {
            (self.run("return document.readyState") == "complete").then_some(())
        })
        .await;
    }

    /// Waits until there is a visible element that matches, and returns its text.
    pub(crate) async fn sees(&self, selector: &str) -> String {
        let script = "const e = document.querySelector(arguments[0]); return e && e.checkVisibility() ? e.innerText : null";
        let found = async || self.script(script, &json!([selector])).as_str().map(str::to_owned);
        until(&format!("{selector} on {}", self.address()), found).await
    }

    /// Waits until the text of an element holds `wanted`.
    pub(crate) async fn reads(&self, selector: &str, wanted: &str) {
        let script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText).join('\\n')";
        let holds = async || {
            let text = self.script(script, &json!([selector]));
            text.as_str().is_some_and(|text| text.contains(wanted)).then_some(())
        };
        until(&format!("{wanted:?} in {selector} on {}", self.address()), holds).await;
    }

    /// Clicks an element. A live part may be replaced, or move another element to this place, between the search
    /// and the click: such a click is not carried out, and made again.
    pub(crate) async fn click(&self, selector: &str) {
        until(&format!("a click on {selector}"), async || {
            self.sees(selector).await;
            let click = format!("{}/element/{}/click", self.session, self.element(selector));
            self.script(GUARD_CLICK, &json!([selector]));
            match self.request("POST", &click, &json!({})) {
                Err(error) if MOVED.iter().any(|moved| error.contains(moved)) => return None,
                clicked => clicked.unwrap_or_else(|error| panic!("{click}: {error}")),
            };
            self.loaded().await;
            (self.run("return window.missed") != true).then_some(())
        })
        .await;
    }

    /// Replaces the text of a field.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        self.sees(selector).await;
        let element = self.element(selector);
        self.command(&format!("/element/{element}/clear"), &json!({}));
        self.command(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// Presses keys, wherever the focus is. [`TAB`] and [`ENTER`] are keys too.
    pub(crate) async fn press(&self, keys: &str) {
        let presses = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()})));
        let actions =
            json!({"actions": [{"type": "key", "id": "keys", "actions": presses.collect::<Vec<_>>()}]});
        self.command("/actions", &actions);
        self.loaded().await;
    }

    /// Presses the mouse button on an element, and leaves it down.
    pub(crate) async fn hold(&self, selector: &str) {
        self.sees(selector).await;
        let element = json!({"element-6066-11e4-a52e-4f735466cecf": self.element(selector)});
        let pointer = json!([
            {"type": "pointerMove", "duration": 0, "origin": element, "x": 0, "y": 0},
            {"type": "pointerDown", "button": 0}]);
        self.command(
            "/actions",
            &json!({"actions": [{"type": "pointer", "id": "mouse", "actions": pointer}]}),
        );
    }

    /// Releases what is held.
    pub(crate) async fn release(&self) {
        self.request("DELETE", &format!("{}/actions", self.session), &Value::Null).unwrap();
        self.loaded().await;
    }

    /// What the function body returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.script(script, &json!([]))
    }

    pub(crate) fn script(&self, script: &str, arguments: &Value) -> Value {
        self.command("/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// The address of the page.
    pub(crate) fn address(&self) -> String {
        let address = self.request("GET", &format!("{}/url", self.session), &Value::Null);
        address.unwrap().as_str().unwrap().to_owned()
    }

    /// As a phone, or as a desk.
    pub(crate) fn width(&self, width: u32) {
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// What the system prefers: `dark` or `light`.
    pub(crate) fn scheme(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// The time zone of the clock.
    pub(crate) fn zone(&self, zone: &str) {
        self.devtools("Emulation.setTimezoneOverride", &json!({"timezoneId": zone}));
    }

    /// With or without scripts, from the next page on.
    pub(crate) fn scripts(&self, on: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": !on}));
    }

    /// The whole page in light, dark and on a phone, to `target/screenshots`.
    pub(crate) fn screenshots(&self, name: &str) {
        assert_eq!(self.capture(name), Vec::<String>::new());
    }

    /// Returns what is wider than a phone.
    pub(crate) fn capture(&self, name: &str) -> Vec<String> {
        let mut faults = Vec::new();
        for (kind, scheme, width) in
            [("light", "light", 1280), ("dark", "dark", 1280), ("phone", "light", 360)]
        {
            self.scheme(scheme);
            self.width(width);
            let image = self.devtools("Page.captureScreenshot", &json!({"captureBeyondViewport": true}));
            let image =
                base64::engine::general_purpose::STANDARD.decode(image["data"].as_str().unwrap()).unwrap();
            std::fs::create_dir_all(screenshots_folder()).unwrap();
            std::fs::write(screenshots_folder().join(format!("{name}-{kind}.png")), image).unwrap();
            if width == 360 {
                let wide = self.run(WIDER_THAN_THE_WINDOW);
                let wide = wide.as_array().into_iter().flatten();
                faults.extend(wide.map(|element| format!("{name}: wider than a phone: {element}")));
            }
        }
        self.scheme("light");
        self.width(1280);
        faults
    }

    /// The upper part of the page as it is read, to a file of this name in `target/screenshots`.
    pub(crate) fn picture(&self, name: &str, (width, height): (u32, u32)) {
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let image =
            self.devtools("Page.captureScreenshot", &json!({"captureBeyondViewport": true, "clip": clip}));
        let image =
            base64::engine::general_purpose::STANDARD.decode(image["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(screenshots_folder()).unwrap();
        std::fs::write(screenshots_folder().join(format!("{name}.png")), image).unwrap();
    }

    /// Fails where the page breaks a rule of accessibility, in either scheme.
    pub(crate) fn accessible(&self, name: &str) {
        assert_eq!(self.violations(name), Vec::<String>::new());
    }

    /// The rules of accessibility that the page breaks, in either scheme.
    pub(crate) fn violations(&self, name: &str) -> Vec<String> {
        let mut broken = Vec::new();
        let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join(".local/axe/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&axe)
            .unwrap_or_else(|error| panic!("{}: {error}: {INSTALL}", axe.display()));
        for scheme in ["light", "dark"] {
            self.scheme(scheme);
            self.run(&axe);
            let script = "const done = arguments[0]; axe.run(document).then(r => done(r.violations.map(v => \
                v.id + ': ' + v.help + ' ' + v.nodes.map(n => n.html.slice(0, 200) + ' ' + n.failureSummary).join(' | '))))";
            let found = self.command("/execute/async", &json!({"script": script, "args": []}));
            let found = found.as_array().into_iter().flatten();
            broken.extend(found.map(|rule| format!("{name} in {scheme}: {rule}")));
        }
        self.scheme("light");
        broken
    }

    /// What the browser complained about since it was asked last: no advice, which it logs at another level.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.command("/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().cloned().unwrap_or_default();
        let complaints =
            entries.iter().filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        complaints.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn devtools(&self, method: &str, parameters: &Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": method, "params": parameters}))
    }

    fn element(&self, selector: &str) -> String {
        let found = self.command("/element", &json!({"using": "css selector", "value": selector}));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        let path = format!("{}{path}", self.session);
        self.request("POST", &path, body).unwrap_or_else(|error| panic!("{path} {body:.300}: {error}"))
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).map_err(|error| error.to_string())?;
        // The driver keeps the connection open: the length says where the answer ends.
        let mut answer = BufReader::new(stream);
        let (mut length, mut line, mut status) = (0, String::new(), String::new());
        while answer.read_line(&mut line).map_err(|error| error.to_string())? > 2 {
            let lower = line.to_ascii_lowercase();
            length =
                lower.strip_prefix("content-length:").map_or(length, |length| length.trim().parse().unwrap());
            status = if status.is_empty() { line.clone() } else { status };
            line.clear();
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).map_err(|error| error.to_string())?;
        let mut body: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let value = body["value"].take();
        if status.starts_with("HTTP/1.1 200") { Ok(value) } else { Err(value["message"].to_string()) }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.session.is_empty() {
            let shown = self.request(
                "POST",
                &format!("{}/execute/sync", self.session),
                &json!({"script": "return document.body.innerText", "args": []}),
            );
            eprintln!("--- the page:\n{}", shown.ok().as_ref().and_then(Value::as_str).unwrap_or_default());
        }
        let _ = self.request("DELETE", &self.session, &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn screenshots_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots")
}

pub(crate) const TAB: char = '\u{e004}';
pub(crate) const ENTER: char = '\u{e007}';
const INSTALL: &str = "run `scripts/tools.sh test`, which installs chromium, chromium-driver and axe-core";
/// What a driver says of an element that was replaced, or that another one covers meanwhile.
const MOVED: [&str; 2] = ["stale element", "click intercepted"];
/// A click on anything but the element does nothing, and is known as missed; so is one that never comes. Without scripts,
/// nothing moves and no listener runs.
const GUARD_CLICK: &str = "
    const [selector] = arguments;
    window.missed = false;
    addEventListener('probe', () => { window.missed = true; }, { once: true });
    dispatchEvent(new Event('probe'));
    removeEventListener('click', window.guard, true);
    window.guard = event => {
        removeEventListener('click', window.guard, true);
        window.missed = !event.target.closest(selector);
        if (window.missed) { event.preventDefault(); event.stopImmediatePropagation(); }
    };
    addEventListener('click', window.guard, true);";
/// What makes the page scroll sideways.
const WIDER_THAN_THE_WINDOW: &str = "
    if (document.documentElement.scrollWidth <= innerWidth) return [];
    return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.tagName + '.' + e.className + ': ' + e.textContent.trim().slice(0, 60));";
/// A browser takes much memory and time to start.
static BROWSERS: Semaphore = Semaphore::const_new(2);

/// A driver and its port. `None`: the port was taken meanwhile, by IPv6 or by another program.
fn driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("chromedriver: {error}: {INSTALL}"));
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port =
        lines.find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
    let Some(port) = port else {
        driver.wait().unwrap();
        return None;
    };
    std::thread::spawn(move || lines.for_each(drop));
    Some((driver, port))
}
