use std::time::Duration;

use super::*;
use crate::classify::ExcludedWhen;
use crate::deliver::{HostLimits, RequestLimits, RequestRate, SurgeLimit};
use crate::record::{Callback, Property};
use crate::secret::Secret;
use crate::source::PasswordSource;

mod secrets;

/// The settings from a file with this text.
fn loaded(text: &str) -> Result<Settings, InvalidSettings> {
    parse(&format!("postgres.url = \"postgres://u@h/d\"\n{text}"))
}

fn errors(text: &str) -> String {
    loaded(text).expect_err(text).to_string()
}

#[test]
fn the_defaults_are_those_of_the_manual() {
    let settings = loaded("").unwrap();
    assert_eq!((settings.slot.as_str(), settings.publication.as_str()), ("sidecar", "sidecar"));
    assert!(!settings.failover_slot);
    assert_eq!(settings.mapping.table.to_string(), "public.documents");
    assert_eq!(settings.mapping.ignore, ["created_at", "updated_at"]);
    assert_eq!(settings.mapping.excluded_when, ExcludedWhen::ByType);
    assert_eq!((settings.spool_bytes_max, settings.lane_bytes_max), (10 << 30, 10 << 28));
    assert_eq!(settings.retain, Duration::from_hours(7 * 24));
    assert_eq!(settings.routes.all().count(), 0);
}

#[test]
fn values_of_excluded_and_of_live_documents_are_not_set_together() {
    let when = |text: &str| loaded(&format!("[documents]\n{text}")).map(|read| read.mapping.excluded_when);
    let values = vec!["0".to_owned()];
    assert_eq!(when("excluded_when = \"not_null\""), Ok(ExcludedWhen::NotNull));
    assert_eq!(when("excluded_when = [\"0\"]"), Ok(ExcludedWhen::Values(values.clone())));
    assert_eq!(when("live_when = [\"0\"]"), Ok(ExcludedWhen::Unless(values)));
    for (text, message) in [
        ("excluded_when = []", "documents.excluded_when"),
        ("excluded_when = \"false\"", "documents.excluded_when"),
        ("excluded_when = \"true\"\nlive_when = [\"0\"]", "keep one of them"),
        ("excluded = \"\"\nlive_when = [\"0\"]", "documents.live_when"),
    ] {
        let errors = when(text).expect_err(text).to_string();
        assert!(errors.contains(message), "{errors}");
    }
}

#[test]
fn lists_of_egress_hold_networks_and_hosts_and_a_wrong_entry_names_its_list() {
    let read = loaded(
        "[egress]\nallow = [\"10.0.0.0/8\", \".internal.example\"]\ntenant_allow = [\"10.1.0.1\"]\n\
         proxy = \"socks5://proxy\"\nno_proxy = [\"localhost\"]",
    );
    let egress = read.unwrap().egress;
    let shown = |rules: &[crate::deliver::EgressRule]| {
        rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown(&egress.allow), "10.0.0.0/8 .internal.example");
    assert_eq!(shown(&egress.deny), "169.254.0.0/16 fe80::/10");
    assert_eq!(shown(&egress.tenant_allow), "10.1.0.1/32");
    for field in ["allow", "deny", "tenant_allow", "no_proxy"] {
        let errors = errors(&format!("[egress]\n{field} = [\"10.0.0.0/99\"]"));
        assert!(errors.contains(&format!("egress.{field}")) && errors.contains("10.0.0.0/99"), "{errors}");
    }
}

#[test]
fn every_setting_has_a_comment_above_it() {
    let lines: Vec<&str> = DEFAULT_SETTINGS.lines().collect();
    let settings =
        lines.iter().enumerate().filter(|(_, line)| line.contains(" = ") && !line.starts_with('#'));
    let mut count = 0;
    for (at, line) in settings {
        count += 1;
        assert!(at > 0 && lines[at - 1].starts_with('#'), "no comment above `{line}`");
    }
    assert!(count > 35, "{count}");
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    let message = errors("[batch]\nrecords_maxx = 1");
    assert!(message.contains("`batch.records_maxx`") && message.contains("`records_max`"), "{message}");
    assert!(errors("[bach]\nx = 1").contains("`batch`"));
}

#[test]
fn all_wrong_values_are_reported_together_with_their_fields() {
    let message = errors(
        "[delivery]\nin_flight_max = 0\nretry_schedule = [\"0s\"]\n[log]\nlevel = \"infoo\"\n[documents]\ninitial = \"loud\"\n\
         [admin]\nlisten = \"nowhere\"\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"ftp://x\"\n\
         headers = { sidecar-x = \"1\" }",
    );
    for field in [
        "delivery.in_flight_max",
        "delivery.retry_schedule",
        "log.level",
        "documents.initial",
        "admin.listen",
        "webhook[0].url",
        "webhook[0].headers.sidecar-x",
    ] {
        assert!(message.contains(field), "no {field} in: {message}");
    }
}

#[test]
fn wrong_types_unknown_keys_and_wrong_values_are_reported_together_each_with_its_line() {
    let text = "\
postgres.url = \"postgres://u@h/d\"
batch = { records_max = \"many\", wait_maks_ms = 1 }
bach.x = 1
[delivery]
in_flight_max = 0
retry_schedule = [
  \"5 minutes\"]
[admin]
listen = \"0.0.0.0:1\"
token = 12345678
[[webhook]]
project = \"a\"
callback = \"*\"
url = \"ftp://x\"
timeout_ms = \"long\"
headers = { sidecar-x = \"1\", \"x.y\" = 2 }
[[webhook]]
project = \"a\"
callback = \"sometimes\"
";
    let message = parse(text).unwrap_err();
    let wanted = [
        ("2", "batch.records_max"),
        ("2", "batch.wait_maks_ms"),
        ("3", "bach"),
        ("5", "delivery.in_flight_max"),
        ("7", "delivery.retry_schedule.0"),
        ("10", "admin.token"),
        ("14", "webhook[0].url"),
        ("15", "webhook[0].timeout_ms"),
        ("16", "webhook[0].headers.sidecar-x"),
        ("16", "webhook[0].headers.x.y"),
        ("17", "webhook[1].url"),
        ("19", "webhook[1].callback"),
    ];
    let reported: Vec<(&str, &str)> = message
        .0
        .iter()
        .map(|sentence| {
            let (line, rest) = sentence.strip_prefix("sidecar.toml:").unwrap().split_once(": `").unwrap();
            (line, rest.split_once('`').unwrap().0)
        })
        .collect();
    let mut sorted = reported.clone();
    sorted.sort_by_key(|(line, name)| (line.parse::<u32>().unwrap(), *name));
    assert_eq!(sorted, wanted, "{message}");
    let lines = |reported: &[(&str, &str)]| {
        reported.iter().map(|(line, _)| line.parse().unwrap()).collect::<Vec<u32>>()
    };
    assert!(lines(&reported).is_sorted(), "in the order of the file: {message}");
    assert!(!message.to_string().contains("12345678"), "a secret of digits is one: {message}");
}

#[test]
fn a_wrong_default_is_not_reported_for_each_webhook() {
    let hook =
        |more: &str| format!("[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://h/\"\n{more}");
    let message = loaded(&format!("batch.records_max = 0\n{}", hook(""))).unwrap_err();
    assert_eq!(message.0, ["sidecar.toml:2: `batch.records_max`: at least 1 is needed"]);
    let message = loaded(&hook("refusals_max = 0")).unwrap_err();
    assert_eq!(message.0, ["sidecar.toml:6: `webhook[0].refusals_max`: at least 1 is needed"]);
    let message = loaded(&hook("records_max = 0")).unwrap_err();
    assert_eq!(message.0, ["sidecar.toml:6: `webhook[0].records_max`: at least 1 is needed"]);
}

#[test]
fn no_error_repeats_a_secret() {
    let hook = |secret: &str| {
        format!("[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://h/\"\nsecret = {secret}")
    };
    assert!(loaded(&hook("[\"whsec_Z2VoZWlt\"]")).is_ok(), "a list of one secret is a list");
    for text in [
        hook("[[\"geheim\"]]"),
        hook("{ envv = \"geheim\" }"),
        "[admin]\ntoken = \"geheim".to_owned(),
        "admin = \"geheim\"".to_owned(),
        "postgres.password = { file = [\"geheim\"] }".to_owned(),
    ] {
        let message = errors(&text);
        assert!(!message.contains("geheim"), "{message}");
    }
    let shown = format!("{:?}", loaded("[admin]\ntoken = \"geheim\"").unwrap());
    assert!(!shown.contains("geheim"), "{shown}");
}

#[test]
fn flags_come_before_the_file_and_a_text_of_digits_stays_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidecar.toml");
    std::fs::write(&file, "postgres.url = \"postgres://u@h/d\"\nbatch.wait_max_ms = 7\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://h/\"").unwrap();
    let set = ["batch.wait_max_ms=9", "postgres.password=007", "spool.bytes_max=2097152", "spool.retain=2d"];
    let sources = Sources { file: Some(file), set: set.map(str::to_owned).to_vec() };
    let settings = load(&sources).unwrap();
    assert_eq!(settings.conninfo.password, Some(Secret::of_text("007")));
    assert_eq!((settings.spool_bytes_max, settings.retain), (2 << 20, Duration::from_hours(48)));
    let waits: Vec<Duration> = settings.routes.all().map(|webhook| webhook.limits.wait_max).collect();
    assert_eq!(waits, [Duration::from_millis(9)]);
    let shown = show(&sources).unwrap();
    let file = sources.file.unwrap().display().to_string();
    for (name, origin) in [
        ("batch.wait_max_ms", "flags".to_owned()),
        ("batch.records_max", "defaults".to_owned()),
        ("postgres.url", format!("{file}:1")),
        ("webhook.0.callback", format!("{file}:5")),
    ] {
        let line = shown.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
        assert!(line.ends_with(&format!("# {origin}")), "{line}");
    }
    let set = vec!["log.level=infoo".to_owned()];
    let message = load(&Sources { file: None, set }).unwrap_err().to_string();
    assert!(message.starts_with("`log.level`: ") && message.ends_with("(in the flags)"), "{message}");
}

#[test]
fn a_password_in_a_file_is_read_there_again_and_no_other_is() {
    let folder = tempfile::tempdir().unwrap();
    let (url, password) = (folder.path().join("url"), folder.path().join("password"));
    std::fs::write(&url, "postgres://u:one@h/d\n").unwrap();
    std::fs::write(&password, "two\n").unwrap();
    let file = |path: &std::path::Path| format!("{{ file = {:?} }}", path.display().to_string());
    let read = |url: &str, password: &str| {
        let hook = "[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://h/\"";
        let text = format!("[postgres]\nurl = {url}\npassword = {password}\n{hook}");
        let conninfo = parse(&text).unwrap().conninfo;
        (conninfo.password.unwrap().expose().to_string(), conninfo.password_source)
    };
    let (plain, none) = ("\"postgres://u:one@h/d\"", "\"\"");
    assert_eq!(read(plain, none), ("one".into(), None));
    assert_eq!(read(plain, &file(&password)), ("two".into(), Some(PasswordSource::File(password.clone()))));
    assert_eq!(read(&file(&url), none), ("one".into(), Some(PasswordSource::UrlFile(url.clone()))));
    assert_eq!(read(&file(&url), "\"three\""), ("three".into(), None));
    assert_eq!(read(&file(&url), &file(&password)), ("two".into(), Some(PasswordSource::File(password))));
}

#[test]
fn a_placeholder_in_the_host_of_a_url_is_refused_at_its_field() {
    let webhook = |url: &str| format!("[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{url}\"");
    for url in ["https://{project}.example.com/", "https://h/{tenant}"] {
        let message = errors(&webhook(url));
        assert!(message.contains("webhook[0].url") && message.contains("{callback}"), "{url}: {message}");
    }
    assert!(
        parse(&format!(
            "postgres.url = \"postgres://u@h/d\"\n{}",
            webhook("https://h/{project}/{callback}?x")
        ))
        .is_ok()
    );
}

#[test]
fn properties_are_known_ones_of_a_webhook_for_modified() {
    let hook = |callback: &str, properties: &str| {
        let head = format!("[[webhook]]\nproject = \"*\"\ncallback = \"{callback}\"\nurl = \"http://h/\"");
        loaded(&format!("{head}\nproperties = {properties}"))
    };
    for callback in ["modified", "*"] {
        let read = hook(callback, "[\"labels\", \"similarity\"]").unwrap();
        let taken = read.routes.properties("p", Callback::Modified).unwrap();
        assert_eq!(Property::ALL.map(|property| taken.contains(property)), [true, false, true]);
    }
    for (callback, properties, why) in [
        ("ingested", "[\"labels\"]", "\"modified\" or \"*\""),
        ("excluded", "[\"labels\"]", "\"modified\" or \"*\""),
        ("modified", "[]", "at least one property"),
        ("modified", "[\"label\"]", "expected `labels`, `predicted_labels` or `similarity`"),
    ] {
        let message = hook(callback, properties).unwrap_err().to_string();
        assert!(message.contains("webhook[0].properties") && message.contains(why), "{message}");
    }
}

#[test]
fn limits_of_requests_are_of_each_webhook_and_of_each_host() {
    let hook = "[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://h/\"\n";
    let read = loaded(&format!(
        "[delivery]\nrequests_per_second = 2.5\nhost_in_flight_max = 3\n{hook}{}requests_per_second = 0\nin_flight_max = 7\n\
         [[host]]\nname = \"Example.com:8443\"\nin_flight_max = 0\n[[host]]\nname = \"[::1]\"\nrequests_per_second = 0.5",
        hook.replacen('*', "p", 1)
    ))
    .unwrap();
    let requests = |project| read.routes.find(project, Callback::Ingested).unwrap().limits.requests;
    let rate = |requests| RequestRate::per_second(requests);
    assert_eq!(requests("q"), RequestLimits { rate: rate(2.5), in_flight_max: None });
    assert_eq!(requests("p"), RequestLimits { rate: None, in_flight_max: Some(7) });
    let default = RequestLimits { rate: None, in_flight_max: Some(3) };
    let named = [
        ("example.com:8443".to_owned(), RequestLimits { in_flight_max: None, ..default }),
        ("[::1]".to_owned(), RequestLimits { rate: rate(0.5), ..default }),
    ];
    assert_eq!(read.host_limits, HostLimits { default, named: named.into() });
    assert_eq!(loaded("").unwrap().host_limits, HostLimits::default());
}

#[test]
fn wrong_limits_of_requests_are_refused_at_their_field() {
    let hook = "[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://h/\"\n";
    let host = "[[host]]\nname = \"h\"\n";
    for (text, field) in [
        ("delivery.requests_per_second = -1".to_owned(), "delivery.requests_per_second"),
        ("delivery.host_requests_per_second = 10001".to_owned(), "delivery.host_requests_per_second"),
        ("delivery.host_in_flight_max = -1".to_owned(), "delivery.host_in_flight_max"),
        (format!("{hook}requests_per_second = 0.0001"), "webhook[0].requests_per_second"),
        (format!("{hook}in_flight_max = \"many\""), "webhook[0].in_flight_max"),
        (format!("{host}{host}"), "host[1].name"),
        (format!("{host}requests_per_second = nan"), "host[0].requests_per_second"),
        (format!("{host}in_flight = 1"), "host[0].in_flight"),
        ("[[host]]\nin_flight_max = 1".to_owned(), "host[0].name"),
        ("[[host]]\nname = \"http://h/\"".to_owned(), "host[0].name"),
        ("[[host]]\nname = \"\"".to_owned(), "host[0].name"),
    ] {
        let message = errors(&text);
        assert!(message.contains(&format!("`{field}`")), "{text}: {message}");
    }
}

#[test]
fn a_surge_has_records_and_a_time_or_is_off() {
    assert_eq!(loaded("").unwrap().surge, None);
    let read = loaded("delivery.surge = { records = 5, within = \"10m\" }").unwrap();
    assert_eq!(read.surge, Some(SurgeLimit { records: 5, within: Duration::from_mins(10) }));
    for wrong in [
        "\"on\"",
        "5",
        "{ records = 0, within = \"10m\" }",
        "{ records = 5, within = \"10ms\" }",
        "{ records = 5 }",
    ] {
        let message = errors(&format!("delivery.surge = {wrong}"));
        assert!(message.contains("`delivery.surge`") && message.contains("within = "), "{wrong}: {message}");
    }
}
