//! What a browser does: links, cookies, sites that are not ours.

use serde_json::{Value, json};

use super::fixture::{Answer, Fixture};
use crate::operations::fixture::release;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const PAUSE: &str = "/api/v1/webhooks/pause";

fn use_link(fixture: &Fixture, path: &str) -> Answer {
    let key = path.split_once("key=").unwrap().1;
    fixture.send("POST", "/link", &[FORM], &format!("key={key}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_used_once_for_a_session_of_its_project_that_can_be_revoked() {
    let mut fixture = Fixture::new("access_link", &[]).await;
    for project in ["alpha", "bravo"] {
        fixture.webhook(project);
    }
    let (path, id) = fixture.link(&json!({"project": "alpha", "can": ["view", "manage"], "expires": "1h"}));
    // A preview uses nothing up.
    assert_eq!(fixture.get(&path, &[]).status, 200);
    let begun = use_link(&fixture, &path);
    let set = begun.header("set-cookie").unwrap();
    assert!(begun.status == 303 && set.contains("; HttpOnly; SameSite=Strict"), "{begun:?}");
    assert_eq!(use_link(&fixture, &path).status, 401, "the second time");
    let cookie = begun.cookie();
    let session = ("cookie", cookie.as_str());
    let seen = fixture.get("/api/v1/webhooks", &[session]);
    assert!(seen.body.contains("alpha") && !seen.body.contains("bravo"), "{seen:?}");
    let mut stream = fixture.stream("/api/v1/tail", &[session]);
    stream.until_it_has("200 OK").await;
    let revoked = fixture.socket("DELETE", &format!("/api/v1/links/{id}"), &Value::Null);
    assert_eq!(revoked.json()["sessions"], 1);
    stream.until_it_ends().await;
    let anonymous =
        fixture.send("POST", PAUSE, &[session, ("origin", "http://localhost")], r#"{"all": true}"#);
    assert_eq!(anonymous.status, 401, "{anonymous:?}");
    let (path, _) = fixture.link(&json!({"can": ["view"], "expires": "1ms"}));
    crate::support::until("the link to end", async || {
        (use_link(&fixture, &path).status != 303).then_some(())
    })
    .await;
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_with_a_cookie_comes_from_our_own_pages_alone() {
    let mut fixture =
        Fixture::new("access_csrf", &[("TOKEN", "operator"), ("HOSTS", "[\"hooks.example\"]")]).await;
    assert_eq!(fixture.get("/api/v1/webhooks", &[]).status, 401, "with `admin.token`, reading takes one");
    let page = fixture.get("/", &[("accept", "text/html")]);
    assert!(page.status == 303 && page.header("location").unwrap().starts_with("/sign-in?next="), "{page:?}");
    let wrong = fixture.send("POST", "/sign-in", &[FORM], "token=wrong&next=%2F");
    assert!(wrong.status == 401 && wrong.body.contains("role=\"alert\""), "{wrong:?}");
    let begun = fixture.send("POST", "/sign-in", &[FORM], "token=operator&next=%2Fprojects%3Fa%3Db");
    assert_eq!((begun.status, begun.header("location")), (303, Some("/projects?a=b")));
    for elsewhere in ["%2F%2Fevil.example", "https%3A%2F%2Fevil.example", "%2F%5Cevil.example"] {
        let begun = fixture.send("POST", "/sign-in", &[FORM], &format!("token=operator&next={elsewhere}"));
        assert_eq!(begun.header("location"), Some("/"), "{begun:?}");
    }
    let cookie = begun.cookie();
    let pause = |headers: &[(&str, &str)]| {
        let headers = [&[("cookie", cookie.as_str())], headers].concat();
        fixture.send("POST", PAUSE, &headers, r#"{"all": true}"#).status
    };
    assert_eq!(pause(&[]), 403, "who made it is not known");
    for foreign in ["http://evil.example", "null", "http://localhost.evil.example", "http://localhost:1"] {
        assert_eq!(pause(&[("origin", foreign)]), 403, "{foreign}");
    }
    assert_eq!(pause(&[("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(pause(&[("sec-fetch-site", "same-site"), ("origin", "http://localhost")]), 403);
    assert_eq!(pause(&[("origin", "http://localhost")]), 200);
    assert_eq!(pause(&[("host", "127.0.0.1:1"), ("origin", "https://hooks.example")]), 200);
    assert_eq!(pause(&[("sec-fetch-site", "same-origin")]), 200);
    let foreign =
        fixture.send("POST", "/sign-in", &[FORM, ("origin", "http://evil.example")], "token=operator");
    assert_eq!(foreign.status, 403, "{foreign:?}");
    let own = ("origin", "http://localhost");
    let out = fixture.send("POST", "/sign-out", &[("cookie", &cookie), own], "");
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"), "{out:?}");
    assert_eq!(fixture.get("/api/v1/webhooks", &[("cookie", &cookie)]).status, 401);
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}
