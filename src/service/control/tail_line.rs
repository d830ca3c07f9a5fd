//! A record as `sidecar tail` prints it: one line of NDJSON. Pure.

use crate::admin::json;
use crate::position::Position;
use crate::record::Callback;

pub(in crate::service) fn tail_line(
    project: &str,
    callback: Callback,
    position: Position,
    fragment: &[u8],
) -> String {
    let project = serde_json::Value::from(project);
    // A JSON label is passed through as it was written. A line break in it is white space, as inside a JSON
    // string it would be escaped.
    let record = String::from_utf8_lossy(fragment).replace(['\n', '\r'], " ");
    let line = format!(
        r#"{{"position":"{position}","project":{project},"callback":"{callback}","record":{record}}}"#
    );
    // It may be printed on a terminal.
    json(&line) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_however_its_label_was_written() {
        let fragment = b"{\"id\":\"1\",\"labels\":{\r\n  \"a\": \"x\\n\"\n}}";
        let line = tail_line("p\nq", Callback::Modified, Position::default(), fragment);
        assert_eq!(line.matches(['\n', '\r']).count(), 1, "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["record"], serde_json::json!({"id": "1", "labels": {"a": "x\n"}}));
        assert_eq!(read["project"], "p\nq");
    }
}
