use super::*;
use proptest::prelude::*;

fn parsed(text: &str) -> Conninfo {
    Conninfo::parse(text, Some("os")).unwrap()
}

#[test]
fn a_url_is_read_as_libpq_reads_it() {
    let info = parsed(
        "postgresql://us%40er:p%2Fw@db.example:5433/app?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3",
    );
    assert_eq!(info.hosts, [(Host::Tcp("db.example".into()), 5433)]);
    assert_eq!(
        (info.user.as_str(), info.password.as_deref(), info.dbname.as_str()),
        ("us@er", Some("p/w"), "app")
    );
    assert_eq!((info.sslmode, info.sslrootcert), (SslMode::VerifyFull, Some("/ca.pem".into())));
    assert_eq!(info.connect_timeout, Duration::from_secs(3));
}

#[test]
fn several_hosts_sockets_and_brackets_are_places_to_look() {
    assert_eq!(
        parsed("postgres://a,[::1]:7,%2Frun%2Fpg/app").hosts,
        [(Host::Tcp("a".into()), 5432), (Host::Tcp("::1".into()), 7), (Host::Unix("/run/pg".into()), 5432)]
    );
    assert_eq!(parsed("postgres:///app?host=/run/pg&port=6").hosts, [(Host::Unix("/run/pg".into()), 6)]);
}

#[test]
fn key_values_may_be_quoted_and_escaped() {
    let info = parsed(r"host=/tmp user = 'a b\'c' password=x\ y dbname=d");
    assert_eq!((info.user.as_str(), info.password.as_deref()), ("a b'c", Some("x y")));
    assert_eq!(parsed("host=h").dbname, "os");
}

#[test]
fn what_is_wrong_is_named_and_the_password_never_shown() {
    for (text, names) in [
        ("host=h sslmod=require", "`sslmod`"),
        ("host=h sslmode=on", "verify-full"),
        ("host=h port=x", "`port`"),
        ("nonsense", "postgresql://"),
        ("host='h", "not closed"),
        ("host=h port=0", "`port`"),
        ("postgres://h/?a", "key=value"),
        ("host=h channel_binding=on", "`channel_binding`"),
        ("host=h target_session_attrs=standby", "`target_session_attrs`"),
        ("host=h gssencmode=require", "`gssencmode`"),
        ("host=h sslrootcert=system sslmode=require", "verify-full"),
    ] {
        let refused = Conninfo::parse(text, Some("u")).unwrap_err().to_string();
        assert!(refused.contains(names), "{text}: {refused}");
    }
    let info = parsed("postgres://u:geheim@h/d");
    assert!(!format!("{info:?} {}", info.redacted()).contains("geheim"));
}

#[test]
fn a_password_written_without_its_percent_signs_is_not_repeated() {
    for text in [
        "postgres://u:ge/heim@h/d",
        "postgres://u:x?geheim@h/d",
        "postgres://u:x?geheim@h/d?sslmode=require",
        "postgres+tls://u:geheim@h/d?sslmode=require",
        "u:geheim@h/d?sslmode=require",
        "u:geheim@h/d",
    ] {
        let refused = Conninfo::parse(text, Some("u")).unwrap_err().to_string();
        assert!(!refused.contains("heim"), "{text}: {refused}");
    }
}

#[test]
fn the_systems_authorities_are_trusted_for_the_very_name_only() {
    assert_eq!(parsed("host=h sslrootcert=system").sslmode, SslMode::VerifyFull);
    assert_eq!(parsed("host=h").sslmode, SslMode::Prefer);
}

proptest! {
    #[test]
    fn no_text_panics(text: String) {
        let _ = Conninfo::parse(&text, None);
        let _ = Conninfo::parse(&format!("postgres://{text}"), Some("u"));
    }
}
