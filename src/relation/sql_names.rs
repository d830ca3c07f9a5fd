//! Quoted names and lists of names for SQL.

use postgres_protocol::escape::escape_identifier;

/// The quoted name of a table, with its schema.
pub(crate) fn qualified_name(schema: &str, name: &str) -> String {
    format!("{}.{}", escape_identifier(schema), escape_identifier(name))
}

/// Quoted columns, joined by commas.
pub(crate) fn column_list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| escape_identifier(name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use postgres_protocol::escape::escape_literal;

    use super::*;

    #[test]
    fn quotes_in_names_and_literals_are_escaped() {
        assert_eq!(qualified_name("public", "a\"b"), "\"public\".\"a\"\"b\"");
        assert_eq!(escape_literal("it's"), "'it''s'");
        assert_eq!(escape_literal(r"a\'"), r" E'a\\'''");
    }
}
