//! Texts of the pages of one webhook.

pub(in crate::admin::page) mod webhook {
    texts! {
        TITLE = "Webhook";
        OF_FILE = "This webhook is not set here. One that is saved here comes before it.";
        REFUSED = "Nothing was saved.";
        URL = "URL";
        URL_HINT = "http or https. {project} and {callback} in its path or query are filled in. Where it leads to another host, secrets are asked for again.";
        URL_REFERENCE = "The URL refers to";
        HEADERS = "Headers of every request";
        HEADERS_HINT = "Values are never shown. One that is left empty stays as it is.";
        HEADER_NAME = "Name of the header";
        HEADER_VALUE = "Value of the header";
        KEPT = "stays as it is";
        REMOVE_IT = "remove";
        ADD_HEADER = "Another header";
        HEADER_WITHOUT_NAME = "a value is given without a name: give the name too, or clear the value";
        AUTH = "Login at the receiver";
        AUTH_KIND = "Kind";
        OAUTH2 = "OAuth 2 client credentials (set by API or file)";
        AUTH_USER = "User";
        AUTH_USER_HINT = "For Basic";
        AUTH_HEADER = "Header";
        AUTH_HEADER_HINT = "For an API key, such as x-api-key";
        AUTH_SECRET = "Password, token or key";
        AUTH_SECRET_HINT = "Never shown. Left empty, it stays as it is.";
        AUTH_WITHOUT_SECRET = "the password, token or key is missing";
        SIGNING = "Signature";
        SECRET = "Signing secret";
        SECRET_HINT = "Signs each request as Standard Webhooks do: whsec_… or any text. Left empty, it stays as it is.";
        SECRET_REMOVE = "Remove the secret: requests are sent unsigned";
        ROTATE = "Rotate the signing secret";
        PROPERTIES = "Properties";
        PROPERTIES_HINT = "Records of the others are not kept.";
        OWNER = "Owner";
        OWNER_HINT = "Whom alerts name";
        NOTE = "Note";
        NOTE_HINT = "For those who read this page";
        LIMITS = "Limits";
        LIMITS_HINT = "Left empty, the value of the settings file is in force; the usual one stands below each field.";
        RECORDS_MAX = "Records in a request";
        WAIT_MAX = "Wait for more records (ms)";
        TIMEOUT = "Time limit of a request (ms)";
        RATE = "Requests per second";
        IN_FLIGHT = "Requests at a time";
        RATE_HINT = "0: without a limit";
        RETRY = "Waits between attempts";
        GIVE_UP = "Give up after";
        ORDER_WAIT = "Wait for other lanes";
        NUMBER_EXPECTED = "a number is expected";
        SAVE = "Save";
        REMOVE = "Remove the webhook";
        UNSAVED = "Changes are not saved.";
    }

    pub(in crate::admin::page) const ALL_PROPERTIES: [&str; 3] = ["labels", "predicted_labels", "similarity"];
    pub(in crate::admin::page) const AUTH_KINDS: [(&str, &str); 4] = [
        ("none", "None"),
        ("basic", "Basic"),
        ("bearer", "Bearer token"),
        ("api_key", "API key in a header"),
    ];

    pub(in crate::admin::page) fn title(project: &str, callback: &str) -> String {
        let project = if project == "*" { "every project" } else { project };
        let callback = if callback == "*" { "all callbacks" } else { callback };
        format!("{project} · {callback}")
    }

    pub(in crate::admin::page) fn value_of(name: &str) -> String {
        format!("Value of the header {name}")
    }

    pub(in crate::admin::page) fn header_without_value(name: &str) -> String {
        format!("{name}: a value is missing")
    }

    pub(in crate::admin::page) fn remove_about(host: &str) -> String {
        format!(
            "Nothing is sent to {host} any more. What waits is kept for spool.retain, and sent if a webhook returns; \
             records that are made meanwhile are not kept. Where a wider webhook is set, it answers from now on."
        )
    }
}

pub(in crate::admin::page) mod test {
    texts! {
        TITLE = "Send a test";
        ABOUT = "One request, now, with the header sidecar-test: 1. It is no attempt, and settles nothing.";
        BODY = "What is sent";
        TEXT = "Body for “my own”";
        SEND = "Send test";
        RESULT = "Result";
        DELIVERED = "Delivered";
        NOT_DELIVERED = "Not delivered";
        HOST = "Host";
        ID = "webhook-id";
        BYTES = "Body";
        TOOK = "Took";
        STATUS = "Status";
        DNS = "Name resolved after";
        CONNECT = "Connected in";
        TLS = "TLS in";
        FIRST_BYTE = "First byte after";
        PAUSED = "The lane is paused. Resume it, and what waits is sent.";
        ONE_CALLBACK = "a test is of one callback";
        DOCS_EXAMPLE = "{\"docs\":[{\"id\":\"specimen-id\",\"key\":\"specimen-key\"}]}";
        MODIFIED_EXAMPLE = "{\"modified\":[{\"id\":\"specimen-id\",\"key\":\"specimen-key\",\"labels\":[\"specimen\"]}]}";
    }

    pub(in crate::admin::page) const BODIES: [(&str, &str); 4] = [
        ("specimen", "A specimen: one record of each shape"),
        ("last", "The last batch of this lane"),
        ("empty", "An empty list"),
        ("text", "My own, below"),
    ];

    pub(in crate::admin::page) fn milliseconds(seconds: f64) -> String {
        format!("{:.1} ms", seconds * 1_000.0)
    }

    pub(in crate::admin::page) fn no_json(why: &str) -> String {
        format!("this is no JSON: {why}")
    }
}

pub(in crate::admin::page) mod rotate {
    texts! {
        ABOUT = "A new secret is drawn and signs at once, beside the old ones for as long as you say. The receiver takes either.";
        OVERLAP = "Hours for which the old secrets sign too";
        OVERLAP_HINT = "0 ends them at once";
        NEW = "The new secret";
        ONCE = "Copy it now, and give it to the receiver: the page does not show it again.";
        OLD_UNTIL = "Old secrets sign until (UTC)";
        NONE_SIGNS = "none signs any more";
    }
}

pub(in crate::admin::page) mod hand_over {
    use crate::admin::page::show::count;
    use crate::record::Callback;

    texts! {
        TITLE = "Text for the receiver's owner";
        ABOUT = "It holds no secret: each is replaced by <redacted>.";
        NO_CALLBACK = "There are the callbacks ingested, modified and excluded.";
        FAILED = "The request that failed last, by hand (put in what is replaced):\n\n";
        SPECIMEN = "A test request by hand, with a specimen as its body (put in what is replaced):\n\n";
        NOT_SHOWN = "The webhook is one for all projects, and is not shown here: ask the operator for the request.";
        OPEN_BATCH = "Open the batch";
    }

    pub(in crate::admin::page) fn head(project: &str, callback: Callback) -> String {
        format!("Webhook: project {project}, callback {callback}\n\n")
    }

    pub(in crate::admin::page) fn problem(
        answer: &str,
        (class, cause): (&str, &str),
        remedy: &str,
        (failures, since): (u32, &str),
        pending: u64,
    ) -> String {
        format!(
            "It fails: {answer}, {} in a row, for {since}. {} for it.\nCause: {cause} (class {class})\nRemedy: {remedy}\n\n",
            count(u64::from(failures), "time", "times"),
            count(pending, "record waits", "records wait"),
        )
    }
}
