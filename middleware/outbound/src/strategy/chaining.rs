//! Tokens of another trust domain.

use serde::Deserialize;
use tower_identity_core::Scopes;

/// The caller's token is exchanged at our server for a grant, a JWT for their server, which makes a token to the target of
/// it: identity chaining across trust domains (draft-ietf-oauth-identity-chaining-17).
///
/// The row's [server](crate::Target::server) is theirs, at which this service is a client, too. What its `audience`,
/// `resource` and `scope` say is said to theirs, of which the first is only looked for in what comes. The grant serves
/// once: it is kept nowhere, and no other server sees it.
///
/// ```
/// use tower_identity_outbound::{Chaining, Target};
///
/// let credit = Target::origin("https://credit.partner.example")?
///     .scope("credit:check")
///     .server("partner")
///     .strategy(Chaining::new());
/// # let _ = credit;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use = "it does nothing until a target has it"]
pub struct Chaining {
    pub(crate) through: Option<String>,
    pub(crate) scope: Scopes,
    pub(crate) audience: Option<String>,
}

impl Chaining {
    /// Through the default server, for a grant that names their server by its issuer, of the scopes that ours gives.
    pub fn new() -> Self {
        Self::default()
    }

    /// Our server, by its name: where the caller's token is exchanged. Default: the default one.
    pub fn through(mut self, server: impl Into<String>) -> Self {
        self.through = Some(server.into());
        self
    }

    /// What is asked for of the grant, in the scopes that our server knows. Default: nothing.
    pub fn scope(mut self, scope: Scopes) -> Self {
        self.scope = scope;
        self
    }

    /// What our server calls theirs: what the grant is asked for, and what its `aud` has to be. Default: their issuer.
    /// Their token endpoint's URL is the other that RFC 7523 §3 allows.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_code_says() {
        let read = |text: &str| toml::from_str::<Chaining>(text).map_err(|error| error.message().to_owned());
        assert_eq!(read(""), Ok(Chaining::new()));
        let scope = Scopes::parse("partner").expect("scope");
        let every = Chaining::new().through("login").scope(scope).audience("https://partner.example/token");
        let text = "through = 'login'\nscope = 'partner'\naudience = 'https://partner.example/token'";
        assert_eq!(read(text), Ok(every));
        let refused = read("server = 'login'").expect_err("that is the row's");
        assert!(refused.starts_with("unknown field `server`"), "{refused}");
    }
}
