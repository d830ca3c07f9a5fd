//! Escapes untrusted text, of tenants and receivers, for terminals and logs. Pure.

use std::fmt::Write as _;

/// Escapes text for a single line: line breaks and tabs too.
pub fn plain(text: &str) -> String {
    escaped(text, |c| c.is_control() || is_invisible(c), write_escape)
}

/// Escapes text of several lines: line breaks and tabs stay.
pub fn lines(text: &str) -> String {
    let is_unsafe = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || is_invisible(c);
    escaped(text, is_unsafe, write_escape)
}

/// Escapes JSON, which stays the same JSON: characters that need it occur only inside strings, where `\\uXXXX`
/// means the same.
pub fn json(text: &str) -> String {
    let is_unsafe = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t') || is_invisible(c);
    escaped(text, is_unsafe, |out, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// Escapes and indents JSON. It works on text, so that numbers and strings stay as they were written.
pub fn pretty_json(text: &str) -> String {
    let (mut out, mut depth, mut letters) =
        (String::with_capacity(text.len() * 2), 0_usize, text.chars().peekable());
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(INDENT_MAX)));
    };
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                out.push('"');
                while let Some(inner) = letters.next() {
                    out.push(inner);
                    match inner {
                        '\\' => out.extend(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                out.push(letter);
                if let Some(close) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            blank if blank.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    json(&out)
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool, write_escape: impl Fn(&mut String, char)) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            write_escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    out
}

/// `\u{1b}`
fn write_escape(out: &mut String, c: char) {
    let _ = write!(out, "{}", c.escape_default());
}

/// Whether a character changes the direction of text, is not displayed, or may break a line.
/// <https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing>
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Deeper values are not indented further.
const INDENT_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_is_left() {
        let unsafe_text: String = (0..=0x10_ffff)
            .filter_map(char::from_u32)
            .filter(|c| c.is_control() || is_invisible(*c))
            .collect();
        assert!(unsafe_text.chars().count() > 200);
        for escaped in [plain(&unsafe_text), lines(&unsafe_text), json(&unsafe_text)] {
            let left: String = escaped
                .chars()
                .filter(|c| !matches!(c, '\n' | '\r' | '\t'))
                .filter(|c| c.is_control() || is_invisible(*c))
                .collect();
            assert_eq!(left, "");
        }
        assert_eq!(plain("a\u{1b}[31m\nb\u{202e}c é 漢 👍"), "a\\u{1b}[31m\\nb\\u{202e}c é 漢 👍");
        assert_eq!(lines("a\u{7}\nb"), "a\\u{7}\nb");
    }

    #[test]
    fn json_stays_the_same_json() {
        let text = "{\"a\u{202e}\u{e0041}\u{9b}\":[1e999,-0.0,{},[],{\"b\":[ ]},\"\\ud800 \\\" \\\\\",true],\n \"c\" : null}";
        let pretty = pretty_json(text);
        assert!(
            pretty.contains("1e999")
                && pretty.contains(r"\ud800")
                && pretty.contains(r"\u202e\udb40\udc41\u009b"),
            "{pretty}"
        );
        let valid = |text: &str| serde_json::from_str::<Box<serde_json::value::RawValue>>(text).is_ok();
        assert!(valid(text) && valid(&pretty), "{pretty}");
        let plain = "{\"a\":[1,{\"b\":\"x, y: {z}\"}],\"c\":{}}";
        let value: serde_json::Value = serde_json::from_str(plain).unwrap();
        assert_eq!(pretty_json(plain), format!("{value:#}"));
    }
}
