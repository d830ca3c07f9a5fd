use super::*;
use crate::secret::Secret;
use crate::source::PasswordSource;

fn hook(more: &str) -> String {
    format!("[[webhook]]\nproject = \"*\"\ncallback = \"*\"\n{more}")
}

fn headers(auth: &str) -> Result<Vec<String>, InvalidSettings> {
    let settings = loaded(&hook(&format!("url = \"http://h/\"\n{auth}")))?;
    let all = settings.routes.all().flat_map(|webhook| webhook.headers.clone());
    Ok(all.map(|(name, value)| format!("{name}: {}", value.expose().to_str().unwrap())).collect())
}

#[test]
fn a_login_is_a_header() {
    for (auth, line) in [
        ("auth = { basic = { user = \"u\", password = \"p:ä\" } }", "authorization: Basic dTpwOsOk"),
        ("auth = { basic = { user = \"u\", password = \"\" } }", "authorization: Basic dTo="),
        ("auth = { bearer = \"geheim\" }", "authorization: Bearer geheim"),
        ("auth = { api_key = { header = \"X-Api-Key\", value = \"geheim\" } }", "x-api-key: geheim"),
    ] {
        assert_eq!(headers(auth).unwrap(), [line], "{auth}");
    }
}

#[test]
fn a_wrong_login_is_refused_with_its_field_and_without_its_secret() {
    for (auth, names) in [
        (
            "auth = { bearer = \"geheim\" }\nheaders = { authorization = \"x\" }",
            &["`auth.bearer`", "`headers.authorization`"][..],
        ),
        (
            "auth = { basic = { user = \"u\", password = \"geheim\" } }\nheaders = { Authorization = \"x\" }",
            &["`auth.basic`", "`headers.authorization`"],
        ),
        (
            "auth = { api_key = { header = \"x-key\", value = \"geheim\" } }\nheaders = { x-key = \"x\" }",
            &["`auth.api_key`", "`headers.x-key`"],
        ),
        (
            "auth = { bearer = \"geheim\", basic = { user = \"u\", password = \"geheim\" } }",
            &["webhook[0].auth", "exactly one"],
        ),
        ("auth = {}", &["webhook[0].auth", "exactly one"]),
        (
            "auth = { oauth2 = { token_url = \"https://t/\", client_id = \"c\", client_secret = \"geheim\" } }\n\
             headers = { authorization = \"x\" }",
            &["`auth.oauth2`", "`headers.authorization`"],
        ),
        (
            "auth = { oauth2 = { token_url = \"ftp://geheim/\", client_id = \"\", client_secret = \"\" } }",
            &["webhook[0].auth.oauth2.token_url", "auth.oauth2.client_id", "auth.oauth2.client_secret"],
        ),
        (
            "auth = { oauth2 = { token_url = \"https://t/\", client_id = \"c\", client_secrt = \"geheim\" } }",
            &["webhook[0].auth.oauth2.client_secrt", "`client_secret`"],
        ),
        ("auth = { bearer = \"ge\\nheim\" }", &["webhook[0].auth.bearer", "the value of a header"]),
        ("auth = { bearer = \"\" }", &["webhook[0].auth.bearer", "empty"]),
        ("auth = { basic = { user = \"u:v\", password = \"geheim\" } }", &["webhook[0].auth.basic", "colon"]),
        (
            "auth = { api_key = { header = \"webhook-id\", value = \"geheim\" } }",
            &["webhook[0].auth.api_key", "reserved"],
        ),
        (
            "auth = { api_key = { header = \"x y\", value = \"geheim\" } }",
            &["webhook[0].auth.api_key", "the name of a header"],
        ),
        ("auth = { barer = \"geheim\" }", &["webhook[0].auth.barer", "`bearer`"]),
        ("auth = \"geheim\"", &["webhook[0].auth"]),
    ] {
        let message = headers(auth).expect_err(auth).to_string();
        assert!(!message.contains("geheim"), "{auth}: {message}");
        for name in names {
            assert!(message.contains(name), "no {name} in: {message}");
        }
    }
    let long = format!("headers = {{ x-a = \"{0}\", x-b = \"{0}\" }}", "x".repeat(40_000));
    assert!(headers(&long).unwrap_err().to_string().contains("webhook[0].headers"));
}

#[test]
fn a_list_of_secrets_may_have_ends_and_one_has_none() {
    let secret = |list: &str| loaded(&hook(&format!("url = \"http://h/\"\nsecret = {list}")));
    let ends = |list: &str| -> Vec<Option<String>> {
        let settings = secret(list).unwrap();
        let all = settings.routes.all().flat_map(|webhook| webhook.secrets.clone());
        all.map(|secret| secret.end().map(crate::time::Timestamp::to_rfc3339)).collect()
    };
    assert_eq!(ends("[\"geheim\", \"geheim2\"]"), [None, None]);
    assert_eq!(
        ends("[\"geheim\", { value = \"geheim2\", until = \"2026-12-01T01:00:00+01:00\" }]"),
        [None, Some("2026-12-01T00:00:00.000Z".to_owned())]
    );
    for (list, why) in [
        ("[{ value = \"geheim\", until = \"2026-12-01T00:00:00Z\" }]", "one without `until`"),
        ("[\"geheim\", { value = \"geheim\", until = \"geheim\" }]", "a time with its offset"),
        ("[\"geheim\", { value = \"geheim\" }]", "expected a secret"),
        ("\"ge\\nheim\"", "line break"),
        ("\"\"", "empty"),
        ("[\"whpk_geheim\"]", "`whsk_`"),
    ] {
        let message = secret(list).expect_err(list).to_string();
        assert!(message.contains("webhook[0].secret") && message.contains(why), "{message}");
        assert!(!message.contains("geheim"), "{message}");
    }
}

#[test]
fn a_short_secret_is_a_warning() {
    let warnings = |secret: &str| {
        warnings(&loaded(&hook(&format!("url = \"http://h/\"\nsecret = {secret}"))).unwrap().routes)
    };
    let [warning] = &warnings("[\"0123456789abcdef01234567\", \"geheim\"]")[..] else { panic!("one") };
    assert!(
        warning.contains("project `*`, callback `*`: `secret`") && warning.contains("6 bytes"),
        "{warning}"
    );
    assert!(!warning.contains("geheim"));
}

#[test]
fn a_url_may_be_in_a_file_and_is_shown_without_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, "https://h/services/{project}?key=geheim\n").unwrap();
    let settings = loaded(&hook(&format!("url = {{ file = {:?} }}", file.display().to_string()))).unwrap();
    let shown = settings.routes.all().next().unwrap().url.to_string();
    assert!(shown.starts_with("https://h/… (sha256 "), "{shown}");
    assert!(!format!("{settings:?}").contains("geheim"));
    std::fs::write(&file, "ftp://geheim/").unwrap();
    let message = loaded(&hook(&format!("url = {{ file = {:?} }}", file.display().to_string())))
        .unwrap_err()
        .to_string();
    assert!(message.contains("webhook[0].url") && !message.contains("geheim"), "{message}");
}

#[test]
fn keys_of_the_spool_are_read_and_a_wrong_one_is_refused() {
    let key = |text: &str| loaded(&format!("[spool]\nkey = {text}")).map(|settings| settings.spool_keys);
    let (one, two) = ("01".repeat(32), "02".repeat(32));
    assert_eq!(key("\"\""), Ok(crate::spool::SpoolKeys::default()));
    let sealed = key(&format!("\"{one}\"")).unwrap().seal(b"x", "p", "*").unwrap();
    let both = key(&format!("[\"{two}\", \"{one}\"]")).unwrap();
    assert_eq!(both.open(&sealed, "p", "*"), Ok(Secret::of_bytes("x")));
    for text in ["\"geheim\"", "[\"\"]", "[\"geheim\"]", "7"] {
        let message = key(text).unwrap_err().to_string();
        assert!(message.contains("spool.key") && !message.contains("geheim"), "{text}: {message}");
    }
}

#[test]
fn a_command_may_print_the_password() {
    let conninfo = |password: &str| {
        parse(&format!("postgres.url = \"postgres://u@h/d\"\npostgres.password = {password}"))
    };
    let command = conninfo("{ command = [\"token\", \"geheim\"] }").unwrap().conninfo;
    assert_eq!(command.password_source, Some(PasswordSource::Command(vec!["token".into(), "geheim".into()])));
    assert!(!format!("{:?}", command.password_source).contains("geheim"));
    for password in [
        "{ command = [] }",
        "{ command = \"geheim\" }",
        "{ command = [\"geheim\", 7] }",
        "{ command = [\"geheim\"], env = \"X\" }",
    ] {
        let message = conninfo(password).expect_err(password).to_string();
        assert!(
            message.contains("postgres.password") && !message.contains("geheim"),
            "{password}: {message}"
        );
    }
    let message = loaded("[admin]\ntoken = { command = [\"geheim\"] }").unwrap_err().to_string();
    assert!(message.contains("admin.token") && !message.contains("geheim"), "{message}");
}
