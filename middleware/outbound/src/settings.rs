//! A target, as a row of a file.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::Deserialize;
use tower_identity_core::{InvalidSetting, Scopes};

use crate::{Candidate, OnBehalfOf, Plaintext, ReadableJwt, Strategies, Target};

/// One `[[outbound.target]]` row. Each field means what the method of [`Target`] of the same name means, and `path` is its
/// [`path_prefix`](Target::path_prefix).
///
/// ```
/// use tower_identity_outbound::{Target, TargetSettings};
///
/// let row: TargetSettings = toml::from_str(
///     r#"
///     origin = "https://payments.internal"
///     path = "/v1"
///     audience = "payments"
///     scope = "payments:charge"
///     strategy = "token_exchange"
///     "#,
/// )?;
/// let target = Target::try_from(row)?;
/// # let _ = target;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TargetSettings {
    /// `scheme://host[:port]`.
    pub origin: String,
    /// A path prefix, by whole segments. Default: every path.
    pub path: Option<String>,
    /// Only requests of these methods, such as `["GET", "HEAD"]`. Default: every method.
    pub methods: Option<Vec<String>>,
    /// Only requests for subjects of these issuers. Default: for anybody.
    pub subjects_of: Option<Vec<String>>,
    /// Of these subjects only users of this tenant. Default: every tenant.
    pub tenant: Option<String>,
    /// Whom the token is for, by name.
    pub audience: Option<String>,
    /// Whom the token is for, by address.
    pub resource: Option<String>,
    /// What the token may do there: a list, or one string with spaces. Default: none.
    #[serde(default)]
    pub scope: Scopes,
    /// Scopes that may be granted unasked. Default: none.
    #[serde(default)]
    pub tolerate_scope: Scopes,
    /// What else is sent with each request for the token, a table of names and values. Default: nothing.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// How the token is obtained: the name of a [strategy](crate::Strategy), such as `"token_exchange"`, a table of one with its
    /// settings, or a list of those.
    pub strategy: Strategies,
    /// The name of the authorization server that issues the token. Default: the default one.
    pub server: Option<String>,
    /// Whose token is exchanged: `"user"`, `"workload"` or `"whoever-called"`. Default: `"user"`.
    pub on_behalf_of: Option<OnBehalfOf>,
    /// Whether this service's own token goes along as the actor token of an exchange. Default: false.
    #[serde(default)]
    pub actor_token: bool,
    /// The field that the caller's token goes in, beside this service's own in `Authorization`, such as `"x-user-token"`.
    /// Default: one credential, in `Authorization`.
    pub user_header: Option<String>,
    /// Whether the token may go there without TLS: `"never"`, `"loopback"` or `"sidecar-mtls"`. Default: what the table
    /// `[outbound]` says of all targets.
    pub plaintext: Option<Plaintext>,
    /// That the tokens are JWTs which this service may read, a table: `{}` where there is nothing more to say. Default:
    /// they are opaque.
    pub readable_jwt: Option<ReadableJwt>,
    /// The longest value of the header that carries the credential, in bytes. Default: 8192.
    pub max_credential_bytes: Option<usize>,
    /// How long a request waits for its token, in seconds. Default: as its `grpc-timeout` says, else 5.
    pub deadline_seconds: Option<u64>,
    /// Another way to the token, a table: `mode = "shadow"` or `percent`, and what it changes of the row. Default: none.
    pub candidate: Option<Candidate>,
}

impl TargetSettings {
    /// The files that the row names are in this folder, unless their paths are absolute: as with those that lie beside the
    /// file which the row is of.
    #[must_use]
    pub fn beside(mut self, folder: impl AsRef<Path>) -> Self {
        self.strategy.move_to(folder.as_ref());
        if let Some(candidate) = &mut self.candidate {
            candidate.move_to(folder.as_ref());
        }
        self
    }
}

impl TryFrom<TargetSettings> for Target {
    type Error = InvalidSetting;

    fn try_from(mut row: TargetSettings) -> Result<Self, InvalidSetting> {
        row.strategy.read_files()?;
        row.candidate.as_mut().map_or(Ok(()), Candidate::read_files)?;
        let mut target = Self::origin(&row.origin)?.strategy(row.strategy).parameters(&row.parameters);
        target.plaintext = row.plaintext;
        target.on_behalf_of = row.on_behalf_of;
        target.scopes = row.scope;
        target.tolerated = row.tolerate_scope;
        target.server = row.server;
        target.actor_token = row.actor_token;
        target.readable_jwt = row.readable_jwt;
        target.candidate = row.candidate;
        if let Some(bytes) = row.max_credential_bytes {
            target = target.max_credential_bytes(bytes);
        }
        if let Some(path) = row.path {
            target = target.path_prefix(&path);
        }
        if let Some(audience) = row.audience {
            target = target.audience(&audience);
        }
        if let Some(resource) = row.resource {
            target = target.resource(&resource);
        }
        if let Some(field) = row.user_header {
            target = target.user_token_in(&field);
        }
        for method in named("methods", row.methods.as_deref())? {
            target = target.method(method);
        }
        for issuer in named("subjects_of", row.subjects_of.as_deref())? {
            target = target.subjects_of(issuer);
        }
        if let Some(tenant) = row.tenant {
            target = target.tenant(&tenant);
        }
        if let Some(seconds) = row.deadline_seconds {
            target = target.deadline(Duration::from_secs(seconds));
        }
        target.check()?;
        Ok(target)
    }
}

/// A list that is there names somebody: an empty one is no way to say everybody.
fn named<'a>(field: &str, list: Option<&'a [String]>) -> Result<&'a [String], InvalidSetting> {
    match list {
        Some([]) => Err(InvalidSetting::new(field, "is empty, and nothing is of it; leave it out where all are meant")),
        list => Ok(list.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "origin = 'https://a.internal'\naudience = 'a'\nstrategy = 'token_exchange'\n";

    fn read(more: &str) -> Result<Target, String> {
        let row: TargetSettings =
            toml::from_str(&format!("{ROW}{more}")).map_err(|error| error.message().to_owned())?;
        Target::try_from(row).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn a_row_of_a_file_is_the_target_that_code_makes() {
        let code = Target::origin("https://a.internal").expect("origin").audience("a").token_exchange();
        assert_eq!(format!("{:?}", read("").expect("row")), format!("{code:?}"));
        let every = "path = '/v1'\nresource = 'https://a.internal/v1'\nscope = 'x y'\ntolerate_scope = ['profile']\n\
                     server = 'partner'\nactor_token = true\nplaintext = 'never'\n\
                     readable_jwt = { user_claim = 'oid' }\nmax_credential_bytes = 4096\nmethods = ['GET', 'HEAD']\n\
                     subjects_of = ['https://login.example.com']\ntenant = 'acme'\n\
                     on_behalf_of = 'whoever-called'\ndeadline_seconds = 2\n\
                     parameters = { realm = 'shop' }\nuser_header = 'x-user-token'\n\
                     candidate = { percent = 10, server = 'new' }";
        let code = code
            .path_prefix("/v1")
            .resource("https://a.internal/v1")
            .scope("x")
            .scope("y")
            .tolerate_scope("profile")
            .server("partner")
            .actor_token()
            .plaintext(Plaintext::Never)
            .readable_jwt(ReadableJwt::new().user_claim("oid"))
            .max_credential_bytes(4096)
            .method("GET")
            .method("HEAD")
            .subjects_of("https://login.example.com")
            .tenant("acme")
            .on_behalf_of(OnBehalfOf::WhoeverCalled)
            .deadline(Duration::from_secs(2))
            .parameters([("realm", "shop")])
            .user_token_in("x-user-token")
            .candidate(Candidate::percent(10).server("new"));
        assert_eq!(format!("{:?}", read(every).expect("row")), format!("{code:?}"));
    }

    #[test]
    fn files_are_looked_for_beside_the_rows_own() {
        let row = "origin = 'https://a.internal'\nstrategy = { file = { path = 'token' } }\n\
                   candidate = { percent = 1, strategy = { file = { path = '/run/token' } } }";
        let row: TargetSettings = toml::from_str(row).expect("a row");
        let target = Target::try_from(row.beside("/etc/orders")).expect("a row");
        let expected = Target::origin("https://a.internal").expect("origin").token_file("/etc/orders/token");
        let candidate = Candidate::percent(1).strategy(crate::TokenFile::at("/run/token"));
        assert_eq!(target, expected.candidate(candidate));
    }

    #[test]
    fn a_wrong_row_names_the_field_and_the_rule() {
        let cases = [
            ("path = 'v1'", "path: does not begin with a slash"),
            ("resource = 'a'", "resource: a resource is an absolute URI without fragment"),
            ("methods = []", "methods: is empty, and nothing is of it; leave it out where all are meant"),
            ("subjects_of = []", "subjects_of: is empty, and nothing is of it; leave it out where all are meant"),
            ("methods = ['get']", "methods: has a method in lower case, which no request is of; write GET"),
            ("methods = ['G T']", "methods: has a method that is none, such as GET"),
            ("subjects_of = ['']", "subjects_of: issuer is empty"),
            ("tenant = 'acme'", "tenant: needs subjects_of: the issuer whose tenant it is"),
            (
                "parameters = { scope = 'admin' }",
                "parameters.scope: is written by the protocol; say it where the protocol's settings are",
            ),
            ("user_header = 'x user'", "user_header: is no name of a header field"),
            ("user_header = 'x_user'", "user_header: is written with _, which gateways take for - or drop"),
            ("user_header = 'Host'", "user_header: is a field of the message itself"),
            (
                "user_header = 'Authorization'",
                "user_header: is a field that credentials of requests come in; name one of its own",
            ),
            ("deadline_seconds = 0", "deadline_seconds: is zero; no token comes at once"),
            (
                "on_behalf_of = 'anybody'",
                "unknown variant `anybody`, expected one of `user`, `workload`, `whoever-called`",
            ),
            ("scopes = 'x'", "unknown field `scopes`, expected one of"),
            ("plaintext = 'yes'", "unknown variant `yes`, expected one of `never`, `loopback`, `sidecar-mtls`"),
        ];
        for (more, expected) in cases {
            let refused = read(more).expect_err(more);
            assert!(refused.starts_with(expected), "{refused}");
        }
    }
}
