//! A token that lies in the caller's.

use serde::Deserialize;
use tower_identity_core::InvalidSetting;

/// The token for the target lies in the caller's verified token, or in what its server answered of it: the issuer put it
/// there, so that nobody has to be asked.
///
/// A JWT is read before it is sent, though its signature is not checked: it is for the target, which has to trust it.
///
/// | claim | what it has to be |
/// |---|---|
/// | `aud` | names the target: the row's [audience](crate::Target::audience) or [resource](crate::Target::resource) |
/// | `iss` | the caller's token's issuer, or one of [those that are named](Self::issuer) |
/// | `exp` | later than now |
/// | `sub`, and `tid` where users have tenants | the caller's user, at the same issuer, unless it is a [foreign](Self::foreign_subject) one |
/// | `cnf` | absent: the token is nobody's who has to prove it |
///
/// Any other token is opaque, and used no longer than the caller's. What is there and is wrong is refused; where there is
/// nothing, a [later strategy](crate::Strategies) of the row is taken, if it has one.
///
/// ```
/// use tower_identity_outbound::{Embedded, Target};
///
/// let payments = Target::origin("https://payments.internal")?.audience("payments").embedded("tokens.payments");
/// let partner = Target::origin("https://partner.example")?
///     .audience("partner")
///     .strategy(Embedded::at("tokens.partner").issuer("https://login.partner.example").foreign_subject());
/// # let _ = (payments, partner);
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use = "it does nothing until a target has it"]
pub struct Embedded {
    claim: ClaimPath,
    #[serde(default)]
    pub(crate) issuers: Vec<String>,
    #[serde(default)]
    pub(crate) subject: Whose,
    #[serde(default)]
    pub(crate) user_claim: Option<String>,
}

/// Where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a path of claims such as \"tokens.payments\", or a list of their names")]
enum ClaimPath {
    Dotted(String),
    Members(Vec<String>),
}

/// Whose token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Whose {
    /// The caller's user's, or the calling workload's.
    #[default]
    Same,
    /// Somebody's whom this service does not know.
    Foreign,
}

impl Embedded {
    /// The claim that holds it: `tokens.payments` is the member `payments` of the claim `tokens`, and so on to any depth.
    pub fn at(claim: impl Into<String>) -> Self {
        Self::with(ClaimPath::Dotted(claim.into()))
    }

    /// The same, member by member: for names with a dot in them.
    pub fn at_members<I>(members: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        Self::with(ClaimPath::Members(members.into_iter().map(Into::into).collect()))
    }

    fn with(claim: ClaimPath) -> Self {
        Self { claim, issuers: Vec::new(), subject: Whose::default(), user_claim: None }
    }

    /// Who may have issued the token, and others that are named so. Default: the issuer of the caller's token.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// The token names another subject than the caller's: an account at a partner, say. What is left is that it names one;
    /// that it is the user's is for the issuer of the caller's token to see to.
    pub fn foreign_subject(mut self) -> Self {
        self.subject = Whose::Foreign;
        self
    }

    /// The claim that names the user as its issuer's [profile](tower_identity_core::User) does, where that is not `sub`:
    /// `oid` at Entra ID.
    pub fn user_claim(mut self, claim: impl Into<String>) -> Self {
        self.user_claim = Some(claim.into());
        self
    }

    /// The names of the members, from the outermost claim in.
    pub(crate) fn path(&self) -> Result<Vec<Box<str>>, InvalidSetting> {
        let path: Vec<Box<str>> = match &self.claim {
            ClaimPath::Dotted(path) => path.split('.').map(Box::from).collect(),
            ClaimPath::Members(members) => members.iter().map(|member| member.as_str().into()).collect(),
        };
        if path.is_empty() || path.iter().any(|member| member.is_empty()) {
            return Err(InvalidSetting::new("claim", "has an empty name in it; write it as \"tokens.payments\""));
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Embedded, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_file_says_what_code_says() {
        let file = read(
            "claim = ['https://example.com/tokens', 'payments']\nissuers = ['https://a.example', 'https://b.example']\n\
             subject = 'foreign'\nuser_claim = 'oid'",
        );
        let code = Embedded::at_members(["https://example.com/tokens", "payments"])
            .issuer("https://a.example")
            .issuer("https://b.example")
            .foreign_subject()
            .user_claim("oid");
        assert_eq!(file, Ok(code));
        assert_eq!(read("claim = 'a'\nsubject = 'same'"), Ok(Embedded::at("a")));
        for (text, expected) in [
            ("claim = 7", "expected a path of claims such as \"tokens.payments\", or a list of their names"),
            ("claim = 'a'\nsubject = 'anybody'", "unknown variant `anybody`, expected `same` or `foreign`"),
            ("claim = 'a'\nissuer = 'b'", "unknown field `issuer`, expected one of"),
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.starts_with(expected), "{refused}");
        }
    }

    #[test]
    fn a_path_has_a_name_at_each_depth() {
        let path = |embedded: &Embedded| embedded.path().map(|path| path.join(">")).map_err(|wrong| wrong.to_string());
        assert_eq!(path(&Embedded::at("a.b.c")), Ok("a>b>c".to_owned()));
        assert_eq!(path(&Embedded::at_members(["a.b", "c"])), Ok("a.b>c".to_owned()));
        for empty in [Embedded::at(""), Embedded::at("a..b"), Embedded::at(".a"), Embedded::at_members([""; 0])] {
            let expected = "claim: has an empty name in it; write it as \"tokens.payments\"";
            assert_eq!(path(&empty), Err(expected.to_owned()));
        }
    }
}
