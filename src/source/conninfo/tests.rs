use std::time::Duration;

use super::*;
use proptest::prelude::*;

/// Host and port of each endpoint.
fn hosts(info: &Conninfo) -> Vec<(Host, u16)> {
    info.endpoints.iter().map(|endpoint| (endpoint.host.clone(), endpoint.port)).collect()
}

fn password(info: &Conninfo) -> Option<&str> {
    info.password.as_ref().map(|password| password.expose().as_str())
}

fn parsed(text: &str) -> Conninfo {
    Conninfo::parse(text, Some("os")).unwrap()
}

#[test]
fn a_url_is_read_as_libpq_reads_it() {
    let info = parsed(
        "postgresql://us%40er:p%2Fw@db.example:5433/app?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3",
    );
    assert_eq!(hosts(&info), [(Host::Tcp("db.example".into()), 5433)]);
    assert_eq!((info.user.as_str(), password(&info), info.dbname.as_str()), ("us@er", Some("p/w"), "app"));
    assert_eq!((info.sslmode, info.sslrootcert), (SslMode::VerifyFull, Some("/ca.pem".into())));
    assert_eq!(info.connect_timeout, Duration::from_secs(3));
}

#[test]
fn several_hosts_sockets_and_brackets_are_places_to_look() {
    assert_eq!(
        hosts(&parsed("postgres://a,[::1]:7,%2Frun%2Fpg/app")),
        [(Host::Tcp("a".into()), 5432), (Host::Tcp("::1".into()), 7), (Host::Unix("/run/pg".into()), 5432)]
    );
    assert_eq!(hosts(&parsed("postgres:///app?host=/run/pg&port=6")), [(Host::Unix("/run/pg".into()), 6)]);
}

#[test]
fn key_values_may_be_quoted_and_escaped() {
    let info = parsed(r"host=/tmp user = 'a b\'c' password=x\ y dbname=d");
    assert_eq!((info.user.as_str(), password(&info)), ("a b'c", Some("x y")));
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

#[test]
fn an_address_is_where_a_host_is_and_not_what_it_is_called() {
    let endpoint = |text: &str| parsed(text).endpoints.remove(0);
    let of = |host: &str, address: Option<&str>| Endpoint {
        host: Host::Tcp(host.into()),
        address: address.map(|address| address.parse().unwrap()),
        port: 5432,
    };
    assert_eq!(endpoint("host=db hostaddr=10.0.0.1"), of("db", Some("10.0.0.1")));
    assert_eq!(endpoint("hostaddr=::1"), of("::1", Some("::1")));
    assert_eq!(endpoint("postgres://db/app?hostaddr=10.0.0.1"), of("db", Some("10.0.0.1")));
    assert_eq!(parsed("host=a,b hostaddr=10.0.0.1,").endpoints[1], of("b", None));
}

#[test]
fn what_is_switched_off_or_on_is() {
    let tcp =
        parsed("host=h keepalives=0 keepalives_idle=7 keepalives_count=3 tcp_user_timeout=1500").keep_alive;
    assert_eq!((tcp.on, tcp.idle, tcp.count), (false, Some(Duration::from_secs(7)), Some(3)));
    assert_eq!(tcp.user_timeout, Some(Duration::from_millis(1_500)));
    assert_eq!(parsed("host=h keepalives_idle=0 tcp_user_timeout=0").keep_alive.idle, None);
    assert_eq!(parsed("host=h sslmode=require sslnegotiation=direct").negotiation, Negotiation::Direct);
    assert_eq!(parsed("host=h ssl_min_protocol_version=TLSv1.3").tls_versions, (false, true));
    assert_eq!(parsed("host=h sslcert=/c sslkey=/k sslcertmode=disable").sslcert, None);
    assert!(!parsed("host=h sslsni=0").sni && parsed("host=h").sni);
    let scram = RequireAuth { password: false, md5: false, scram: true, none: false };
    assert_eq!(parsed("host=h require_auth=scram-sha-256").require_auth, scram);
    let no_password = RequireAuth { password: false, ..RequireAuth::default() };
    assert_eq!(parsed("host=h require_auth=!password,!gss").require_auth, no_password);
    assert_eq!(parsed("host=h fallback_application_name=f").application_name, "f");
}

/// Every parameter of libpq (18), with a common value: accepted, or rejected with the reason.
#[test]
fn each_parameter_of_libpq_is_taken_or_refused_with_the_reason() {
    let taken = [
        "host=h",
        "hostaddr=10.0.0.1",
        "port=1",
        "dbname=d",
        "user=u",
        "password=p",
        "passfile=/f",
        "require_auth=scram-sha-256",
        "channel_binding=prefer",
        "connect_timeout=-1",
        "client_encoding=auto",
        "options=-cgeqo=off",
        "application_name=a",
        "fallback_application_name=f",
        "keepalives=1",
        "keepalives_idle=1",
        "keepalives_interval=1",
        "keepalives_count=1",
        "tcp_user_timeout=1",
        "gssencmode=prefer",
        "sslmode=allow",
        "requiressl=0",
        "sslnegotiation=postgres",
        "sslcompression=0",
        "sslcert=/c",
        "sslkey=/k",
        "sslcertmode=allow",
        "sslrootcert=/r",
        "sslsni=1",
        "ssl_min_protocol_version=TLSv1.2",
        "ssl_max_protocol_version=TLSv1.3",
        "min_protocol_version=3.0",
        "max_protocol_version=latest",
        "krbsrvname=postgres",
        "gsslib=gssapi",
        "gssdelegation=0",
        "target_session_attrs=any",
        "load_balance_hosts=disable",
    ];
    for text in taken {
        assert_eq!(Conninfo::parse(text, Some("u")).err(), None, "{text}");
    }
    let refused = [
        "client_encoding=LATIN1",
        "replication=database",
        "gssencmode=require",
        "requiressl=1",
        "sslcompression=1",
        "sslpassword=p",
        "sslcertmode=require",
        "sslkeylogfile=/l",
        "sslcrl=/c",
        "sslcrldir=/c",
        "requirepeer=postgres",
        "min_protocol_version=3.2",
        "scram_client_key=k",
        "scram_server_key=k",
        "service=s",
        "servicefile=/s",
        "target_session_attrs=standby",
        "load_balance_hosts=random",
        "oauth_issuer=i",
        "oauth_client_id=i",
        "oauth_client_secret=i",
        "oauth_scope=i",
        "keepalives=yes",
        "keepalives_idle=soon",
        "tcp_user_timeout=-1",
        "sslsni=yes",
        "sslnegotiation=direct",
        "sslnegotiation=later",
        "ssl_min_protocol_version=SSLv3",
        "ssl_max_protocol_version=TLSv1.1",
        "require_auth=scram",
        "require_auth=md5,!none",
        "hostaddr=db",
        "host=@abstract",
        "connect_timeout=soon",
    ];
    for text in refused {
        let (name, _) = text.split_once('=').unwrap();
        let why = Conninfo::parse(text, Some("u")).unwrap_err().to_string();
        assert!(
            why.contains(&format!("`{name}`")) && !why.contains("no connection parameter"),
            "{text}: {why}"
        );
    }
}

/// Parameters that tokio-postgres supports too, with values that both accept. (It reads `tcp_user_timeout`
/// as seconds; libpq, as milliseconds.)
const SHARED: &[(&str, &[&str])] = &[
    ("host", &["db", "a,b", "/run/pg", "[odd", "10.0.0.1"]),
    ("hostaddr", &["10.0.0.1", "::1"]),
    ("port", &["5432", "1"]),
    ("user", &["u", "us@er", "a b", "ü"]),
    ("password", &["p", "p/w?@:%", "'quoted' \\ and spaced", "ß"]),
    ("dbname", &["d", "a/b", "d d"]),
    ("application_name", &["a", "it's"]),
    ("options", &["-c geqo=off"]),
    ("connect_timeout", &["3"]),
    ("keepalives", &["0", "1"]),
    ("keepalives_idle", &["7"]),
    ("keepalives_interval", &["8"]),
    ("target_session_attrs", &["any", "read-write"]),
    ("channel_binding", &["disable", "prefer", "require"]),
    ("sslmode", &["disable", "prefer", "require"]),
];

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Checks that both parsers give the same result.
fn compare(text: &str) {
    use tokio_postgres::config as other;
    let Ok(theirs) = text.parse::<tokio_postgres::Config>() else { return };
    let ours = Conninfo::parse(text, Some("os")).unwrap();
    assert_eq!(theirs.get_user().unwrap_or("os"), ours.user, "{text}");
    assert_eq!(theirs.get_password(), password(&ours).map(str::as_bytes), "{text}");
    assert_eq!(theirs.get_dbname().unwrap_or(&ours.user), ours.dbname, "{text}");
    assert_eq!(theirs.get_application_name().unwrap_or("sidecar"), ours.application_name, "{text}");
    assert_eq!(theirs.get_options(), ours.options.as_deref(), "{text}");
    assert_eq!(
        theirs.get_connect_timeout().copied().unwrap_or(Duration::from_secs(10)),
        ours.connect_timeout
    );
    assert_eq!(theirs.get_keepalives(), ours.keep_alive.on, "{text}");
    if text.contains("keepalives_idle") {
        assert_eq!(Some(theirs.get_keepalives_idle()), ours.keep_alive.idle, "{text}");
    }
    if text.contains("keepalives_interval") {
        assert_eq!(theirs.get_keepalives_interval(), ours.keep_alive.interval, "{text}");
    }
    assert_eq!(theirs.get_target_session_attrs() == other::TargetSessionAttrs::ReadWrite, ours.primary_only);
    let binding = match theirs.get_channel_binding() {
        other::ChannelBinding::Disable => ChannelBinding::Disable,
        other::ChannelBinding::Require => ChannelBinding::Require,
        _ => ChannelBinding::Prefer,
    };
    assert_eq!(binding, ours.channel_binding, "{text}");
    let mode = match theirs.get_ssl_mode() {
        other::SslMode::Disable => SslMode::Disable,
        other::SslMode::Require => SslMode::Require,
        _ => SslMode::Prefer,
    };
    assert_eq!(mode, ours.sslmode, "{text}");
    let host = |host: &other::Host| match host {
        other::Host::Tcp(name) => Host::Tcp(name.clone()),
        other::Host::Unix(folder) => Host::Unix(folder.clone()),
    };
    if !theirs.get_hosts().is_empty() {
        let names: Vec<Host> = ours.endpoints.iter().map(|endpoint| endpoint.host.clone()).collect();
        assert_eq!(theirs.get_hosts().iter().map(host).collect::<Vec<_>>(), names, "{text}");
    }
    let addresses: Vec<_> = ours.endpoints.iter().filter_map(|endpoint| endpoint.address).collect();
    assert_eq!(theirs.get_hostaddrs(), addresses, "{text}");
    let ports: Vec<u16> = ours.endpoints.iter().map(|endpoint| endpoint.port).collect();
    let port = |at: usize| theirs.get_ports().get(at).or(theirs.get_ports().first()).copied().unwrap_or(5432);
    assert_eq!((0..ports.len()).map(port).collect::<Vec<_>>(), ports, "{text}");
}

proptest! {
    #[test]
    fn no_text_panics(text: String) {
        let _ = Conninfo::parse(&text, None);
        let _ = Conninfo::parse(&format!("postgres://{text}"), Some("u"));
    }

    #[test]
    fn what_the_client_of_ordinary_sql_knows_too_is_read_as_it_does(
        picked in prop::sample::subsequence(SHARED, 0..=SHARED.len()),
        choice in prop::collection::vec(any::<prop::sample::Index>(), SHARED.len()),
    ) {
        let pairs: Vec<(&str, &str)> = (picked.iter().zip(&choice))
            .map(|((name, values), choice)| (*name, *choice.get(values)))
            .collect();
        let several = pairs.contains(&("host", "a,b")) && pairs.iter().any(|(name, _)| *name == "hostaddr");
        let socket = pairs.contains(&("host", "/run/pg")) && pairs.iter().any(|(name, _)| *name == "hostaddr");
        // Both reject one address for two hosts, and the address of a socket has no meaning.
        prop_assume!(!several && !socket);
        let words: Vec<String> = pairs.iter().map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
        compare(&words.join(" "));
        let encoded = |value: &str| percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string();
        let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        // tokio-postgres accepts a list of hosts for one name here; libpq does not.
        if !pairs.contains(&("host", "a,b")) {
            compare(&format!("postgresql:///?{}", query.join("&")));
        }
        // An empty value counts as not given, as with libpq; tokio-postgres takes it as a value.
        let of = |required: &str| {
            let found = pairs.iter().find(|(name, _)| *name == required);
            found.map_or_else(|| "x".to_owned(), |(_, value)| encoded(value))
        };
        compare(&format!("postgres://{}:{}@h:7/{}", of("user"), of("password"), of("dbname")));
    }
}
