//! The authorization server as a value: who it is, whom it knows, what it allows.

use std::{collections::BTreeSet, path::Path, time::Duration};

use axum::http::HeaderName;
use tower_identity::{Audience, ClientId, ClientTls, Clock, InvalidSetting, Issuer, Scopes, Subject};
use tower_identity_jose::{Algorithm, KeySet, SigningKey, SigningKeyError};

use crate::{
    client::{Client, Clients},
    dialect::{Dialect, OURS, Product},
    layout::Places,
    policy::Policy,
    push::Receivers,
    replay::UsedAssertions,
    session::Sessions,
    settings::{AuthoritySettings, SignInSettings, TrustedSettings},
    slow::Slowness,
    transaction::Transactions,
    trusted::Trusted,
};

/// An authorization server and security token service (RFC 6749, RFC 8693).
///
/// A value without a network: [`app`](crate::app) serves it.
#[derive(Debug)]
pub struct Authority {
    pub(crate) issuer: Issuer,
    /// Where its endpoints are.
    pub(crate) places: Places,
    pub(crate) dialect: &'static Dialect,
    pub(crate) clock: Clock,
    pub(crate) key: SigningKey,
    /// The public half of `key`: what our own tokens are verified by when they come back.
    pub(crate) own_keys: KeySet,
    pub(crate) access_token_lifetime: Duration,
    pub(crate) sign_in_token_lifetime: Duration,
    pub(crate) users: BTreeSet<Subject>,
    pub(crate) sign_in: Option<SignInSettings>,
    pub(crate) clients: Clients,
    pub(crate) policy: Policy,
    /// Whose grants are redeemed here.
    pub(crate) trusted: Vec<Trusted>,
    pub(crate) used_assertions: UsedAssertions<ClientId>,
    pub(crate) used_grants: UsedAssertions<Issuer>,
    pub(crate) sessions: Sessions,
    /// Of which trust domain transaction tokens are issued here, and to whom.
    pub(crate) transactions: Option<Transactions>,
    pub(crate) receivers: Receivers,
    pub(crate) slowness: Slowness,
}

impl Authority {
    /// Checks the settings as a whole. Key files are looked for beside `directory`.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field, from the table `authority` in.
    pub fn new(settings: AuthoritySettings, directory: &Path, clock: Clock) -> Result<Self, InvalidSetting> {
        Self::connecting_by(None, settings, directory, clock)
    }

    /// The same, which connects to receivers of events, and to those whose grants it redeems, by this TLS.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn connecting_by(
        tls: Option<&ClientTls>,
        settings: AuthoritySettings,
        directory: &Path,
        clock: Clock,
    ) -> Result<Self, InvalidSetting> {
        let dialect = settings.answers_as.map_or(&OURS, Product::dialect);
        let places = Places::of(&settings.issuer, dialect.layout)?;
        let key = signing_key(&settings, dialect.algorithm, directory)?;
        let mut authority = Self {
            issuer: settings.issuer,
            places,
            dialect,
            clock,
            own_keys: KeySet::from_keys([key.verifying_key()]).expect("one key is not none"),
            key,
            access_token_lifetime: lifetime("access_token_seconds", settings.access_token_seconds)?,
            sign_in_token_lifetime: lifetime("sign_in_token_seconds", settings.sign_in_token_seconds)?,
            users: settings.users.into_iter().collect(),
            sign_in: settings.sign_in,
            clients: Clients::default(),
            policy: Policy {
                exchange: settings.policy,
                grants: settings.grants,
                client_credentials: settings.client_credentials,
            },
            trusted: Vec::new(),
            used_assertions: UsedAssertions::default(),
            used_grants: UsedAssertions::default(),
            sessions: Sessions::default(),
            transactions: settings.transactions.map(Transactions::from),
            receivers: Receivers::new(settings.receivers, tls)?,
            slowness: Slowness::default(),
        };
        for (at, client) in settings.clients.into_iter().enumerate() {
            authority.register(client).map_err(|invalid| invalid.within(at).within("client"))?;
        }
        for (at, trusted) in settings.trusted.into_iter().enumerate() {
            authority.trust(trusted, tls).map_err(|invalid| invalid.within(at).within("trusted"))?;
        }
        authority.check_rows()?;
        authority.check_grants()?;
        authority.check_sign_in()?;
        authority.check_transactions().map_err(|invalid| invalid.within("transactions"))?;
        Ok(authority)
    }

    fn register(&mut self, client: crate::settings::ClientSettings) -> Result<(), InvalidSetting> {
        let client = Client::try_from(client)?;
        self.check_client_id(&client.id).map_err(|rule| InvalidSetting::new("id", rule))?;
        self.clients.register(client)
    }

    /// Users and clients share the `sub` of access tokens: one name for both would let a client pass for a user
    /// (RFC 9068 §5).
    fn check_client_id(&self, id: &ClientId) -> Result<(), String> {
        if self.users.contains(id.as_str()) { Err(format!("{id} is a user's name")) } else { Ok(()) }
    }

    fn check_rows(&self) -> Result<(), InvalidSetting> {
        for (at, row) in self.policy.exchange.iter().enumerate() {
            let placed = |invalid: InvalidSetting| invalid.within(at).within("policy");
            self.check_row(&row.client, &row.to, row.scopes.values()).map_err(placed)?;
            if let Some(seconds) = row.access_token_seconds {
                lifetime("access_token_seconds", seconds).map_err(placed)?;
            }
            for (at, embedded) in row.embeds.iter().enumerate() {
                let holder = self.clients.owner(&row.to).expect("the row was checked").id.clone();
                let mut its_rows = self.policy.exchange.iter().filter(|other| other.client == holder);
                if !its_rows.any(|other| other.is_from(std::slice::from_ref(&row.to), embedded)) {
                    let rule = format!("no row leads {holder} from {} to {embedded}", row.to);
                    return Err(placed(InvalidSetting::new(at, rule).within("embeds")));
                }
            }
            let own = self.clients.find(row.client.as_str()).is_some_and(|client| client.audience.contains(&row.from));
            if !own {
                return Err(placed(InvalidSetting::new(
                    "from",
                    format!("{} is no audience of {}", row.from, row.client),
                )));
            }
        }
        for (at, row) in self.policy.client_credentials.iter().enumerate() {
            self.check_row(&row.client, &row.to, [&row.scopes].into_iter())
                .map_err(|invalid| invalid.within(at).within("client_credentials"))?;
        }
        Ok(())
    }

    fn trust(&mut self, trusted: TrustedSettings, tls: Option<&ClientTls>) -> Result<(), InvalidSetting> {
        self.check_row(&trusted.client, &trusted.to, std::iter::once(&trusted.scopes))?;
        if trusted.issuer == self.issuer {
            return Err(InvalidSetting::new("issuer", "is this server itself"));
        }
        let pair = (&trusted.issuer, &trusted.client);
        if self.trusted.iter().any(|other| other.is_redeemed_by(pair.0, pair.1)) {
            return Err(InvalidSetting::new("issuer", format!("stands twice for {}", pair.1)));
        }
        if let Some(stranger) = trusted.users.values().find(|user| !self.users.contains(*user)) {
            return Err(InvalidSetting::new("users", format!("{stranger} is no user here")));
        }
        self.trusted.push(Trusted::new(trusted, &self.clock, tls)?);
        Ok(())
    }

    /// A grant is for another server: were it for one of our own services, it could be taken for what that one takes.
    fn check_grants(&self) -> Result<(), InvalidSetting> {
        for (at, row) in self.policy.grants.iter().enumerate() {
            let invalid = |field, rule| Err(InvalidSetting::new(field, rule).within(at).within("grant"));
            let Some(client) = self.clients.find(row.client.as_str()) else {
                return invalid("client", format!("{} is not registered", row.client));
            };
            let domain = self.transactions.as_ref().map(Transactions::trust_domain);
            if !client.audience.contains(&row.from) && domain != Some(&row.from) {
                return invalid("from", format!("{} is no audience of {}", row.from, row.client));
            }
            if self.clients.owns(&row.to) || row.to.as_str() == self.issuer.as_str() {
                return invalid("to", format!("{} is no other authorization server", row.to));
            }
            if row.scopes.values().all(Scopes::is_empty) {
                return invalid("scopes", "grants nothing".to_owned());
            }
        }
        Ok(())
    }

    fn check_row<'a>(
        &self,
        client: &ClientId,
        to: &Audience,
        mut scopes: impl Iterator<Item = &'a Scopes>,
    ) -> Result<(), InvalidSetting> {
        if self.clients.find(client.as_str()).is_none() {
            return Err(InvalidSetting::new("client", format!("{client} is not registered")));
        }
        if !self.clients.owns(to) {
            return Err(InvalidSetting::new("to", format!("{to} is no client's audience")));
        }
        if scopes.all(Scopes::is_empty) {
            return Err(InvalidSetting::new("scopes", "grants nothing"));
        }
        Ok(())
    }

    fn check_sign_in(&self) -> Result<(), InvalidSetting> {
        let Some(sign_in) = &self.sign_in else { return Ok(()) };
        let invalid = |field, rule| Err(InvalidSetting::new(field, rule).within("sign_in"));
        if let Err(rule) = self.check_client_id(&sign_in.client) {
            return invalid("client", rule);
        }
        if self.clients.find(sign_in.client.as_str()).is_some() {
            return invalid("client", format!("{} is a client with a credential of its own", sign_in.client));
        }
        if let Some(stray) = sign_in.audience.as_slice().iter().find(|audience| !self.clients.owns(audience)) {
            return invalid("audience", format!("{stray} is no client's audience"));
        }
        // A cookie's name is a token, as a field's is (RFC 6265 §4.1.1).
        if sign_in.cookie.as_ref().is_some_and(|name| HeaderName::from_bytes(name.as_bytes()).is_err()) {
            return invalid("cookie", "is no name of a cookie".to_owned());
        }
        Ok(())
    }
}

fn signing_key(
    settings: &AuthoritySettings,
    algorithm: Algorithm,
    directory: &Path,
) -> Result<SigningKey, InvalidSetting> {
    let unusable = |error: SigningKeyError| InvalidSetting::new("signing_key_file", error.to_string());
    let Some(file) = &settings.signing_key_file else {
        return SigningKey::generate(algorithm).map_err(unusable);
    };
    let invalid = |rule: String| InvalidSetting::new("signing_key_file", rule);
    let pem =
        std::fs::read_to_string(directory.join(file)).map_err(|error| invalid(format!("cannot be read: {error}")))?;
    let key = SigningKey::from_pem(&pem).map_err(unusable)?;
    if key.algorithm() != algorithm {
        return Err(invalid(format!("holds a key for {}, not for {algorithm}", key.algorithm())));
    }
    Ok(key)
}

pub(crate) fn lifetime(field: &'static str, seconds: u64) -> Result<Duration, InvalidSetting> {
    if (1..=86_400).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(InvalidSetting::new(field, "is not between 1 second and a day"))
    }
}
