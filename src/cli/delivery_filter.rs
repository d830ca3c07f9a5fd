//! Which batches a command is about.

use crate::admin::DeliveryFilter;
use crate::record::Callback;

#[derive(clap::Args, Debug)]
pub(super) struct FilterArgs {
    /// Only batches of this project
    #[arg(long)]
    project: Option<String>,

    /// Only batches of this callback: ingested, modified or excluded
    #[arg(long)]
    callback: Option<Callback>,

    /// Only batches in this state
    #[arg(long, value_parser = ["dead_letter", "delivered", "in_flight", "retired", "waiting"])]
    state: Option<String>,

    /// Only batches with an attempt that failed so
    #[arg(long, value_parser = ["content", "endpoint", "gone", "set-up", "size"])]
    class: Option<String>,

    /// Only batches with an attempt that was answered so: 503, or 5xx
    #[arg(long)]
    status: Option<String>,

    /// Only batches cut then or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Only batches cut before (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl FilterArgs {
    pub(super) fn to_filter(&self) -> DeliveryFilter {
        DeliveryFilter {
            project: self.project.clone(),
            callback: self.callback.map(|callback| callback.name().to_owned()),
            state: self.state.clone(),
            class: self.class.clone(),
            status: self.status.clone(),
            since: self.since.clone(),
            until: self.until.clone(),
        }
    }
}
