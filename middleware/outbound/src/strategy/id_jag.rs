//! Identity assertions between enterprise applications.

use serde::Deserialize;

/// [Chaining](crate::Chaining) by an identity assertion, an ID-JAG
/// (draft-ietf-oauth-identity-assertion-authz-grant-03): our server, the identity provider, vouches for the user at the
/// authorization server of an API.
///
/// The row's `resource` is the API, and its [server](crate::Target::server) the API's. The assertion has to say that it is
/// one, and to be for their server and for the client that we are there.
///
/// ```
/// use tower_identity_outbound::{IdJag, Target};
///
/// let chat = Target::origin("https://api.chat.example")?
///     .resource("https://api.chat.example/")
///     .scope("chat.read")
///     .server("chat")
///     .strategy(IdJag::new().through("idp"));
/// # let _ = chat;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use = "it does nothing until a target has it"]
pub struct IdJag {
    pub(crate) through: Option<String>,
    id_token: bool,
}

impl IdJag {
    /// Through the default server.
    pub fn new() -> Self {
        Self::default()
    }

    /// The identity provider, by its server's name: where the caller's token is exchanged. Default: the default one.
    pub fn through(mut self, server: impl Into<String>) -> Self {
        self.through = Some(server.into());
        self
    }

    /// The caller's token is an ID token, and is declared as one: what the draft has in mind. Default: it is an access
    /// token, as a service gets from its callers.
    pub fn id_token(mut self) -> Self {
        self.id_token = true;
        self
    }

    pub(crate) fn is_id_token(&self) -> bool {
        self.id_token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_code_says() {
        let read = |text: &str| toml::from_str::<IdJag>(text).map_err(|error| error.message().to_owned());
        assert_eq!(read(""), Ok(IdJag::new()));
        assert_eq!(read("through = 'idp'\nid_token = true"), Ok(IdJag::new().through("idp").id_token()));
        let refused = read("audience = 'a'").expect_err("it is their issuer");
        assert!(refused.starts_with("unknown field `audience`"), "{refused}");
    }
}
