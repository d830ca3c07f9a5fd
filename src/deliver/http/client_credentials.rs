//! OAuth2 client credentials of a webhook: its token is requested before the first request and kept until shortly
//! before it ends. <https://www.rfc-editor.org/rfc/rfc6749#section-4.4>
//!
//! All lanes of a webhook share one token, and one request for it at a time. Nothing here prints a token or
//! the client's secret.

use std::fmt;
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use oauth2::basic::{BasicClient, BasicTokenResponse, BasicTokenType};
use oauth2::{
    ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, Scope, TokenResponse as _, TokenUrl,
};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::secret::Secret;

/// Credentials, and the token that they gave last.
pub struct ClientCredentials {
    request: TokenRequest,
    held: Mutex<Held>,
}

/// What a token is requested with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenRequest {
    /// The authorization server's endpoint for tokens.
    pub token_url: Uri,
    /// Sent with the secret, as Basic authentication.
    pub client_id: String,
    /// Never shown.
    pub client_secret: Secret,
    /// Scopes, separated by blanks.
    pub scope: Option<String>,
    /// The receiver that the token is for, as some servers want it.
    pub audience: Option<String>,
}

/// A token, as the value of `authorization`.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct Token {
    pub(in crate::deliver) authorization: Secret<HeaderValue>,
    issued_at: Instant,
    usable_until: Instant,
    /// It was requested because the one before it was refused.
    replaces_refused: bool,
}

/// The answer to a request for a token cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::deliver) struct NoTokenAnswer(pub(in crate::deliver) String);

#[derive(Default)]
enum Held {
    /// The last request failed: those that waited for it fail as well.
    Failed {
        why: String,
        until: Instant,
    },
    #[default]
    Nothing,
    /// The receiver refused the token.
    Refused,
    Token(Token),
}

impl ClientCredentials {
    /// Without a token yet.
    pub fn new(request: TokenRequest) -> Self {
        Self { request, held: Mutex::default() }
    }

    /// The endpoint for tokens.
    pub(in crate::deliver) fn token_url(&self) -> &Uri {
        &self.request.token_url
    }

    /// The token that is kept, or a new one, requested by `send`. The error is the attempt's detail.
    pub(in crate::deliver) async fn token<C, F>(&self, deadline: Instant, send: &C) -> Result<Token, String>
    where
        C: Fn(HttpRequest) -> F + Sync,
        F: Future<Output = Result<HttpResponse, NoTokenAnswer>> + Send + 'static,
    {
        let host = self.token_url().host().unwrap_or_default();
        let failed = |why: &str| format!("request an OAuth2 token from {host}: {why}");
        let Ok(mut held) = timeout_at(deadline, self.held.lock()).await else {
            return Err(failed("another request for it has not ended in time"));
        };
        let now = Clock::runtime();
        let replaces_refused = match &*held {
            Held::Token(token) if now < token.usable_until => return Ok(token.clone()),
            Held::Failed { why, until } if now < *until => return Err(why.clone()),
            held => matches!(held, Held::Refused),
        };
        let answer = timeout_at(deadline, self.request.send(send)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".into()));
        let now = Clock::runtime();
        let token = answer.and_then(|answer| Token::of(&answer, now, replaces_refused));
        match token {
            Ok(token) => {
                *held = Held::Token(token.clone());
                Ok(token)
            }
            Err(why) => {
                let why = failed(&why);
                *held = Held::Failed { why: why.clone(), until: now + FAILURE_SHARED };
                Err(why)
            }
        }
    }

    /// The receiver answered 401: the next attempt requests another token, unless this one was requested for the
    /// same reason a short time ago.
    pub(in crate::deliver) async fn refused(&self, token: &Token) {
        let mut held = self.held.lock().await;
        let is_held = matches!(&*held, Held::Token(held) if held.authorization == token.authorization);
        let is_again = token.replaces_refused && Clock::runtime() < token.issued_at + REFUSED_AGAIN;
        if is_held && !is_again {
            *held = Held::Refused;
        }
    }
}

impl TokenRequest {
    async fn send<C, F>(&self, send: &C) -> Result<BasicTokenResponse, String>
    where
        C: Fn(HttpRequest) -> F + Sync,
        F: Future<Output = Result<HttpResponse, NoTokenAnswer>> + Send + 'static,
    {
        let token_url = TokenUrl::new(self.token_url.to_string()).map_err(|error| error.to_string())?;
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.client_secret.expose().to_string()))
            .set_token_uri(token_url);
        let mut request = client.exchange_client_credentials();
        if let Some(scope) = &self.scope {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        if let Some(audience) = &self.audience {
            request = request.add_extra_param("audience", audience.as_str());
        }
        request.request_async(send).await.map_err(|error| match error {
            RequestTokenError::Request(NoTokenAnswer(why)) | RequestTokenError::Other(why) => {
                self.bounded(&why)
            }
            // Its text may hold a part of a token.
            RequestTokenError::Parse(..) => "the answer is no token in JSON (RFC 6749)".to_owned(),
            RequestTokenError::ServerResponse(answer) => self.bounded(&answer.to_string()),
        })
    }

    /// Text of the server's, without the secret, should it repeat it.
    fn bounded(&self, text: &str) -> String {
        let secret = self.client_secret.expose().as_str();
        let text = if secret.is_empty() { text.to_owned() } else { text.replace(secret, "…") };
        text.chars().take(ERROR_LETTERS_MAX).flat_map(char::escape_debug).collect()
    }
}

impl Token {
    fn of(answer: &BasicTokenResponse, now: Instant, replaces_refused: bool) -> Result<Self, String> {
        if *answer.token_type() != BasicTokenType::Bearer {
            return Err("the token's type is not Bearer, which alone is known here".into());
        }
        let text = Zeroizing::new(format!("Bearer {}", answer.access_token().secret()));
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| "the token has letters that a header cannot have".to_owned())?;
        value.set_sensitive(true);
        Ok(Self {
            authorization: Secret::of(value),
            issued_at: now,
            usable_until: now + usable_for(answer.expires_in()),
            replaces_refused,
        })
    }
}

/// For how long a token is used that ends after `expires_in`: it is renewed a minute before, or, if it is short,
/// after four fifths of its time.
fn usable_for(expires_in: Option<Duration>) -> Duration {
    let lifetime = expires_in.unwrap_or(LIFETIME_UNKNOWN).min(LIFETIME_MAX);
    lifetime.saturating_sub((lifetime / 5).min(RENEWED_BEFORE))
}

impl PartialEq for ClientCredentials {
    fn eq(&self, other: &Self) -> bool {
        self.request == other.request
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}

const RENEWED_BEFORE: Duration = Duration::from_mins(1);
/// Of a token whose server names none.
const LIFETIME_UNKNOWN: Duration = Duration::from_hours(1);
const LIFETIME_MAX: Duration = Duration::from_hours(24);
/// A refused token that replaced a refused one is kept for this time: the receiver refuses all, or is late to know
/// new ones.
const REFUSED_AGAIN: Duration = Duration::from_mins(1);
/// Shorter than the first wait of a retry.
const FAILURE_SHARED: Duration = Duration::from_millis(500);
const ERROR_LETTERS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (expires_in, usable) in [
            (seconds(3_600), 3_540),
            (seconds(300), 240),
            (seconds(100), 80),
            (seconds(5), 4),
            (seconds(0), 0),
            (None, 3_540),
            (seconds(u64::MAX), 24 * 3_600 - 60),
        ] {
            assert_eq!(usable_for(expires_in), Duration::from_secs(usable), "{expires_in:?}");
        }
    }
}
