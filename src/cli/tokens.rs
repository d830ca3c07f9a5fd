//! `sidecar tokens` and `sidecar links`: who may use the running sidecar over its port.

use std::path::Path;

use hyper::Method;
use serde_json::json;

use super::client;
use super::exit::Exit;
use super::output::{print, table};
use super::runtime::block_on;
use crate::admin::{
    Capability, LinkList, LinkRequest, NewLink, NewToken, Revoked, TokenList, TokenRequest, plain,
};

#[derive(clap::Args, Debug)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    action: TokenAction,
}

#[derive(Debug, clap::Subcommand)]
enum TokenAction {
    /// Make a token and print it: it is shown this once
    Create {
        /// Its name, which the audit log shows
        name: String,

        #[command(flatten)]
        given: GivenArgs,
    },
    /// List the tokens, without the tokens themselves
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token at once, with the sessions and streams that were begun with it
    Revoke {
        /// Its name
        name: String,
    },
}

#[derive(clap::Args, Debug)]
pub(super) struct LinkArgs {
    #[command(subcommand)]
    action: LinkAction,
}

#[derive(Debug, clap::Subcommand)]
enum LinkAction {
    /// Make a link that opens the page once, and print its path
    Create {
        #[command(flatten)]
        given: GivenArgs,
    },
    /// List the links that have not ended
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a link at once, with the session that it was exchanged for
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

#[derive(clap::Args, Debug)]
struct GivenArgs {
    /// What it allows: view, send-again, manage or secret; repeatable
    #[arg(long, required = true)]
    can: Vec<Capability>,

    /// Only this project
    #[arg(long)]
    project: Option<String>,

    /// When it ends: a duration like 8h or 30d, or a time like 2999-01-31T09:00:00Z
    #[arg(long)]
    expires: Option<String>,
}

pub(super) fn tokens(spool: &Path, args: &TokenArgs) -> Exit {
    let done = async {
        match &args.action {
            TokenAction::Create { name, given } => create_token(spool, name, given).await,
            TokenAction::List { json } => list_tokens(spool, *json).await,
            TokenAction::Revoke { name } => revoke(spool, "tokens", name).await,
        }
    };
    block_on(async { done.await.unwrap_or_else(|exit| exit) })
}

pub(super) fn links(spool: &Path, args: &LinkArgs) -> Exit {
    let done = async {
        match &args.action {
            LinkAction::Create { given } => create_link(spool, given).await,
            LinkAction::List { json } => list_links(spool, *json).await,
            LinkAction::Revoke { id } => revoke(spool, "links", id).await,
        }
    };
    block_on(async { done.await.unwrap_or_else(|exit| exit) })
}

async fn create_token(spool: &Path, name: &str, given: &GivenArgs) -> Result<Exit, Exit> {
    let GivenArgs { can, project, expires } = given;
    let request = TokenRequest {
        name: name.to_owned(),
        can: can.clone(),
        project: project.clone(),
        expires: expires.clone(),
    };
    let new: NewToken =
        client::json(spool, Method::POST, "/api/v1/tokens", &request, client::TIMEOUT).await?;
    print(format_args!("{}\n", new.token.expose().as_str()));
    Ok(Exit::Done)
}

async fn create_link(spool: &Path, given: &GivenArgs) -> Result<Exit, Exit> {
    let GivenArgs { can, project, expires } = given;
    let request = LinkRequest { can: can.clone(), project: project.clone(), expires: expires.clone() };
    let new: NewLink = client::json(spool, Method::POST, "/api/v1/links", &request, client::TIMEOUT).await?;
    print(format_args!("{}\n", new.path.expose().as_str()));
    Ok(Exit::Done)
}

async fn list_tokens(spool: &Path, json: bool) -> Result<Exit, Exit> {
    let Some(list) = client::print_json_or_parse::<TokenList>(spool, "/api/v1/tokens", json).await? else {
        return Ok(Exit::Done);
    };
    let mut table = table(["name", "may", "project", "created", "by", "ends", "last used"]);
    for token in list.tokens {
        table.add_row([
            token.name,
            names(&token.can),
            scope(token.project.as_deref()),
            token.created_at,
            plain(&token.created_by),
            token.expires_at.unwrap_or_default(),
            token.last_used_at.unwrap_or_default(),
        ]);
    }
    print(format_args!("{table}\n"));
    Ok(Exit::Done)
}

async fn list_links(spool: &Path, json: bool) -> Result<Exit, Exit> {
    let Some(list) = client::print_json_or_parse::<LinkList>(spool, "/api/v1/links", json).await? else {
        return Ok(Exit::Done);
    };
    let mut table = table(["id", "may", "project", "created", "by", "ends", "used"]);
    for link in list.links {
        table.add_row([
            link.id,
            names(&link.can),
            scope(link.project.as_deref()),
            link.created_at,
            plain(&link.created_by),
            link.expires_at.unwrap_or_default(),
            link.used_at.unwrap_or_default(),
        ]);
    }
    print(format_args!("{table}\n"));
    Ok(Exit::Done)
}

async fn revoke(spool: &Path, kind: &str, name: &str) -> Result<Exit, Exit> {
    let path = format!("/api/v1/{kind}/{}", client::encoded(name));
    let revoked: Revoked = client::json(spool, Method::DELETE, &path, &json!({}), client::TIMEOUT).await?;
    print(format_args!("revoked; {} sessions ended with it\n", revoked.sessions));
    Ok(Exit::Done)
}

fn names(can: &[Capability]) -> String {
    can.iter().map(|capability| capability.name()).collect::<Vec<_>>().join(" ")
}

fn scope(project: Option<&str>) -> String {
    project.map_or_else(|| "all projects".to_owned(), plain)
}

pub(super) const TOKENS_AFTER_HELP: &str = "\
A token is sent as `authorization: Bearer TOKEN`, or used to sign in on the page.

  sidecar tokens create prometheus --can view
  sidecar tokens create deploy --can view --can manage --expires 90d
  sidecar tokens create acme --project acme --can view --can manage
  sidecar tokens list
  sidecar tokens revoke deploy";

pub(super) const LINKS_AFTER_HELP: &str = "\
An application hands a link to its user, who opens the page with it, once. The
session lasts until the link ends, by default 8 hours after it was made.

  sidecar links create --project acme --can view --can send-again
  sidecar links create --project acme --can view --expires 30m
  sidecar links list
  sidecar links revoke 0a1b2c3d4e5f";
