//! A row's strategy, in one word.

use std::path::PathBuf;

use tower_identity_core::SecretToken;
use tower_identity_jose::SigningKey;
use tower_identity_oauth::CustomGrantType;

use crate::{Chaining, Embedded, EntraOnBehalfOf, IdJag, Relay, Signed, Strategy, Target, TokenExchange, TokenFile};

/// The strategies that are said by their names alone. Any other, and several, by [`strategy`](Self::strategy).
impl Target {
    /// The caller's token is exchanged for one to this target (RFC 8693): its user's, unless the row says
    /// [otherwise](Self::on_behalf_of).
    pub fn token_exchange(self) -> Self {
        self.strategy(TokenExchange::new())
    }

    /// This service's own token goes to the target (RFC 6749 §4.4).
    pub fn client_credentials(self) -> Self {
        self.strategy(Strategy::ClientCredentials)
    }

    /// The caller's token is exchanged at Keycloak for one to this target: its standard token exchange, version 2. The
    /// token has to be Keycloak's own, and for this client there or issued to it; the audience is the client id of the
    /// target, and there is no resource.
    pub fn keycloak_exchange(self) -> Self {
        self.strategy(Strategy::KeycloakExchange)
    }

    /// The caller's user's token makes one to this target at Entra ID: see [`EntraOnBehalfOf`].
    pub fn entra_on_behalf_of(self) -> Self {
        self.strategy(EntraOnBehalfOf::new())
    }

    /// The caller's token makes one to this target by a grant of the server's own.
    pub fn custom_grant(self, grant_type: CustomGrantType) -> Self {
        self.strategy(grant_type)
    }

    /// The caller's token is an assertion for the row's server, which makes one to this target of it (RFC 7523 §2.1). So it
    /// has to be a JWT that names this server in its `aud`, beside this service, and no access token by its `typ`.
    pub fn by_assertion(self) -> Self {
        self.strategy(Strategy::Assertion)
    }

    /// The caller's token is exchanged at the default server for a grant to the row's own, which makes a token to this
    /// target of it: see [`Chaining`].
    pub fn chaining(self) -> Self {
        self.strategy(Chaining::new())
    }

    /// The same by an identity assertion: see [`IdJag`].
    pub fn id_jag(self) -> Self {
        self.strategy(IdJag::new())
    }

    /// The caller's own token goes to the target, where it is for the target, too: see [`Relay`].
    pub fn relay(self) -> Self {
        self.strategy(Relay::new())
    }

    /// The token that lies in the caller's, at this claim, goes to the target: see [`Embedded`].
    pub fn embedded(self, claim: impl Into<String>) -> Self {
        self.strategy(Embedded::at(claim))
    }

    /// This service signs a token about the caller's user itself, by this key and under this name: see [`Signed`].
    pub fn signed(self, issuer: impl Into<String>, key: SigningKey) -> Self {
        self.strategy(Signed::new(issuer, key))
    }

    /// This service's own token goes to the target, from a file that somebody else writes: see [`TokenFile`].
    pub fn token_file(self, path: impl Into<PathBuf>) -> Self {
        self.strategy(TokenFile::at(path))
    }

    /// This service's own token goes to the target, always this one: until it ends, where it is a JWT that says when.
    pub fn fixed_token(self, token: impl Into<SecretToken>) -> Self {
        self.strategy(Strategy::Fixed(token.into()))
    }
}
