//! `sidecar openapi`: the description of the API, and the schemas of the bodies. It asks no running sidecar.

use super::exit::Exit;
use super::output::print;
use crate::admin::{body_schema, openapi};
use crate::record::Callback;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Print the JSON schema of the body of this callback instead: ingested, modified or excluded
    #[arg(long, value_name = "CALLBACK")]
    schema: Option<Callback>,
}

pub(super) fn print_description(args: &Args) -> Exit {
    let description = args.schema.map_or_else(openapi, body_schema);
    print(format_args!("{description:#}\n"));
    Exit::Done
}

pub(super) const AFTER_HELP: &str = "\
The running sidecar serves the same at /api/openapi.json, and the schemas at
/api/schemas/ingested.json, modified.json and excluded.json.

  sidecar openapi > openapi.json
  sidecar openapi --schema modified";
