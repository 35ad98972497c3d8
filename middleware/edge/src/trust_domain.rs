//! What of a user crosses into a trust domain.

use std::fmt;

use serde::Deserialize;
use tower_identity_core::{Audience, CallerContext, InvalidSetting, Scopes};
use tower_identity_jose::EncryptionKey;

use crate::{
    UserNames,
    scope_rows::{ScopeRows, WrittenRow},
};

/// A trust domain that internal identities are made for: who a user is there, and what crosses into it. By default nothing
/// does: neither a scope nor an attribute.
///
/// ```
/// use tower_identity_edge::{Attribute, Pairwise, TrustDomain};
/// use tower_identity_jose::KeyedHash;
///
/// let shop = TrustDomain::new("shop.internal", Pairwise::new(KeyedHash::new([7; 32])?))
///     .scope("orders:read", "orders:read")
///     .scope_of("https://partner.example", "read", "catalogue:read")
///     .attribute(Attribute::Roles);
/// # let _ = shop;
/// # Ok::<(), tower_identity_jose::ShortKey>(())
/// ```
#[must_use = "it does nothing until a mint has it"]
pub struct TrustDomain {
    name: String,
    pub(crate) users: Box<dyn UserNames>,
    scopes: Vec<WrittenRow>,
    attributes: Vec<Attribute>,
    encrypted_to: Option<EncryptionKey>,
}

/// What is said of a user beside who it is, which crosses where it is listed. In a file by its name in `snake_case`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Attribute {
    /// The name to show: the claim `name`.
    DisplayName,
    /// The address, and whether its issuer says that it is the user's: `email` and `email_verified`.
    Email,
    /// The groups, as far as they are known: `groups`.
    Groups,
    /// The roles: `roles`.
    Roles,
}

impl TrustDomain {
    /// The trust domain of this name, which is the audience of its tokens; and who its users are.
    pub fn new(name: impl Into<String>, users: impl UserNames) -> Self {
        Self {
            name: name.into(),
            users: Box::new(users),
            scopes: Vec::new(),
            attributes: Vec::new(),
            encrypted_to: None,
        }
    }

    /// Who has this scope outside has that one inside, whoever issued it. One scope may become several.
    pub fn scope(mut self, outside: impl Into<String>, inside: impl Into<String>) -> Self {
        self.scopes.push((None, outside.into(), inside.into()));
        self
    }

    /// The same, for tokens of this issuer only: what another means by the word is its own affair.
    pub fn scope_of(
        mut self,
        issuer: impl Into<String>,
        outside: impl Into<String>,
        inside: impl Into<String>,
    ) -> Self {
        self.scopes.push((Some(issuer.into()), outside.into(), inside.into()));
        self
    }

    /// Lets an attribute of the user cross.
    pub fn attribute(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// Encrypts its tokens to this key (JWE around the signed token, RFC 7519 §5.2), which the services of the trust domain have the
    /// private part of: [`TransactionTokens::encrypted_to`](tower_identity_verify::TransactionTokens::encrypted_to). Whoever has a
    /// token on the way and not the key passes it on and cannot read it.
    pub fn encrypted_to(mut self, key: EncryptionKey) -> Self {
        self.encrypted_to = Some(key);
        self
    }

    pub(crate) fn check(self) -> Result<Domain, InvalidSetting> {
        let name = Audience::parse(&self.name).map_err(|why| InvalidSetting::new("name", why.to_string()))?;
        let scopes = ScopeRows::check(self.scopes).map_err(|wrong| wrong.within("scopes"))?;
        let Self { users, attributes, encrypted_to, .. } = self;
        Ok(Domain { name, users, scopes, attributes, encrypted_to })
    }
}

/// How many rows of each, and none of them.
impl fmt::Debug for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustDomain").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A [`TrustDomain`] that keeps the rules.
pub(crate) struct Domain {
    pub(crate) name: Audience,
    pub(crate) users: Box<dyn UserNames>,
    scopes: ScopeRows,
    attributes: Vec<Attribute>,
    pub(crate) encrypted_to: Option<EncryptionKey>,
}

impl Domain {
    /// What the caller may inside.
    pub(crate) fn scopes(&self, context: &CallerContext) -> Scopes {
        self.scopes.of(context)
    }

    pub(crate) fn lets_cross(&self, attribute: Attribute) -> bool {
        self.attributes.contains(&attribute)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Domain").field("name", &self.name).finish_non_exhaustive()
    }
}
