//! Templates, as pages call them.

use askama::Template;

use crate::admin::request_error::RequestError;

/// The text of a template.
pub(super) fn rendered(template: &impl Template) -> Result<String, RequestError> {
    template.render().map_err(|error| RequestError::Internal(format!("the page was not made: {error}")))
}
