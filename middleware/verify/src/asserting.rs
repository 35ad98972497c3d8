//! Services that are taken at their word for whom they call.

mod service;
mod settings;

use std::sync::Arc;

use tower_identity_core::{InvalidSetting, Issuer};

pub(crate) use self::service::ServiceSettings;
pub use self::settings::SelfAssertedSettings;
use crate::{
    Profile, TrustedIssuer,
    issuer::{Checked, Whom},
    profile::Table,
    trusted::Trusted,
};

/// The lists of a configuration that such services stand in.
pub(crate) const SELF_ASSERTED: &str = "self_asserted";
pub(crate) const HANDED_OFF_BY: &str = "handed_off_by";

/// A service, and the issuers whose users it may say that it calls for.
#[derive(Debug)]
pub(crate) struct Asserting {
    pub(crate) service: TrustedIssuer,
    pub(crate) users_of: Vec<String>,
}

impl Asserting {
    /// Reads the strings and keeps the rules, of what looks like this. Who issues tokens here is `known`, and no such service.
    fn check(self, table: &'static Table, known: &[Issuer]) -> Result<Checked, InvalidSetting> {
        let refused = |field, rule| Err(InvalidSetting::new(field, rule));
        let Self { service, users_of } = self;
        if matches!(service.whom, Whom::TrustDomain(_)) {
            return refused("issuer", "is a trust domain; name one service of it, by its SPIFFE ID");
        }
        if service.redeeming.is_some() {
            return refused("introspection", "is of opaque tokens, and a service says for whom it calls in a JWT");
        }
        if service.profile != Profile::default() {
            return refused("profile", "is that of access tokens, which such a service does not issue");
        }
        if service.issued_to_is_sender {
            return refused("issued_to_is_sender", "is said of users' tokens that their issuer issues to clients");
        }
        let read = |(at, issuer): (usize, &String)| {
            Issuer::parse(issuer).map_err(|wrong| InvalidSetting::new(at, wrong.to_string()).within("users_of"))
        };
        let users_of: Arc<[Issuer]> = users_of.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        if users_of.is_empty() {
            return refused("users_of", "names no issuer");
        }
        let checked = Checked { users_of, ..service.check_by(table)? };
        if checked.anchor.issuers().any(|own| known.contains(own)) {
            return refused(
                "issuer",
                "is trusted for its tokens already; a service's word comes under a name of its own",
            );
        }
        match checked.users_of.iter().position(|issuer| checked.anchor.issuers().any(|own| own == issuer)) {
            Some(at) => Err(InvalidSetting::new(at, "is the service itself, which has no users").within("users_of")),
            None => Ok(checked),
        }
    }
}

/// The services of a list, of which none is there twice, nor issues tokens.
pub(crate) fn checked(
    services: Vec<Asserting>,
    table: &'static Table,
    list: &str,
    known: &[Issuer],
) -> Result<Vec<Checked>, InvalidSetting> {
    let mut checked: Vec<Checked> = Vec::with_capacity(services.len());
    for (at, service) in services.into_iter().enumerate() {
        let service = service.check(table, known).and_then(|service| {
            let name = service.anchor.name();
            match checked.iter().any(|other| other.anchor.name() == name) {
                true => Err(InvalidSetting::new("issuer", "is listed twice")),
                false => Ok(service),
            }
        });
        checked.push(service.map_err(|wrong| wrong.within(at).within(list))?);
    }
    Ok(checked)
}

/// Tells whose word is taken, where anybody's is, and was not before.
pub(crate) fn tell(services: &[Arc<Trusted>], before: Option<&[Arc<Trusted>]>) {
    let is_as = |service: &Trusted, other: &Arc<Trusted>| {
        other.rules.anchor.name() == service.rules.anchor.name() && other.rules.users_of == service.rules.users_of
    };
    let known = |service: &Trusted| before.is_some_and(|before| before.iter().any(|other| is_as(service, other)));
    for service in services.iter().filter(|service| !known(service)) {
        let users_of: Vec<_> = service.rules.users_of.iter().map(Issuer::as_str).collect();
        tracing::warn!(
            target: "tower_identity::binding",
            service = service.rules.anchor.name().as_str(),
            users_of = users_of.join(", "),
            "a service is taken at its word for whom it calls",
        );
    }
}
