//! Users' names in plain text, for services that take no better yet.

use http::HeaderName;
use serde::Deserialize;
use tower_identity_core::{InvalidSetting, Issuer};

use crate::{OnBehalfOf, Target, target::own_field};

/// The name of the caller's user in plain text, in a field such as `X-User-Id`, and this service's own token in
/// `Authorization`: both go, or nothing does.
///
/// For the time in which the target cannot read tokens of users, and goes on believing what it has always believed. Whoever takes
/// over this service, or gets hold of its token, is every user there. The name is the user's id as its issuer has it, by
/// the same rule by which a service of ours [hears](tower_identity_core::fields::is_plain_name) one; a user whose id breaks it is
/// refused, and not renamed.
///
/// - A name does not say whose user it is. So it is sent of users of one issuer: of any other's nothing is. Of users with a
///   tenant it is sent where the row is for that [tenant](Target::tenant).
/// - It is sent for a user whom something ties to the caller. Whom the caller has only
///   [named itself](tower_identity_core::Binding::None) it is sent for where the row [passes that on](Self::pass_on), and never
///   for work that was [handed over](tower_identity_core::Binding::Deferred) or for whom a service vouches by its own signature.
/// - A request [as this service](crate::RequestExt::as_service) goes without a name.
/// - Nobody else says it: the field is taken away from every request of the list first, in every spelling.
///
/// The row's `audience`, `resource` and `scope` are those of this service's own token. Logs a warning when the row is listed.
///
/// ```
/// use tower_identity_outbound::{Target, danger::PlainUser};
///
/// let stock = Target::origin("https://stock.internal")?
///     .audience("stock")
///     .strategy(PlainUser::in_field("x-user-id", "https://login.example.com"));
/// # let _ = stock;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use = "it does nothing until a target has it"]
pub struct PlainUser {
    header: String,
    users_of: String,
    #[serde(default)]
    pass_on: bool,
    #[serde(default = "yes")]
    own_token: bool,
}

const fn yes() -> bool {
    true
}

impl PlainUser {
    /// In this field, of users of this issuer.
    pub fn in_field(header: impl Into<String>, users_of: impl Into<String>) -> Self {
        Self { header: header.into(), users_of: users_of.into(), pass_on: false, own_token: true }
    }

    /// Passes on names, too, that listed callers have given in plain text themselves: then whoever takes over one of those is
    /// every user at the target, too. Default: they stay here.
    pub fn pass_on(mut self) -> Self {
        self.pass_on = true;
        self
    }

    /// No token of this service's own goes beside the name: the certificate of the connection says who this service is. The
    /// origin is `https`, or the row says `plaintext = "sidecar-mtls"`. A request
    /// [as this service](crate::RequestExt::as_service) goes with its own token still. Default: one goes.
    pub fn without_own_token(mut self) -> Self {
        self.own_token = false;
        self
    }

    /// Where the name goes, if that is a field for it.
    pub(crate) fn field(&self) -> Option<HeaderName> {
        own_field(&self.header).ok()
    }

    pub(crate) fn users_of(&self) -> Result<Issuer, InvalidSetting> {
        Issuer::parse(&self.users_of).map_err(|wrong| InvalidSetting::new("users_of", wrong.to_string()))
    }

    pub(crate) const fn passes_on(&self) -> bool {
        self.pass_on
    }

    pub(crate) const fn sends_own_token(&self) -> bool {
        self.own_token
    }

    /// Tells the operator of it.
    pub(crate) fn tell(&self, row: &str) {
        tracing::warn!(
            target: "tower_identity::binding",
            row,
            users_of = self.users_of,
            pass_on = self.pass_on,
            "users are named to a target in plain text"
        );
    }

    pub(super) fn check(&self, row: &Target) -> Result<(), InvalidSetting> {
        let within = |wrong: InvalidSetting| wrong.within("plain_user").within("strategy");
        own_field(&self.header).map_err(|rule| within(InvalidSetting::new("header", rule)))?;
        self.users_of().map_err(within)?;
        if row.user_header.is_some() {
            let rule = "has no place beside plain_user, whose header is the only one with a user in it";
            return Err(InvalidSetting::new("user_header", rule));
        }
        if row.on_behalf_of.is_some_and(|whom| whom != OnBehalfOf::User) {
            let rule = "has to be \"user\" with plain_user, which names users and no workloads";
            return Err(InvalidSetting::new("on_behalf_of", rule));
        }
        if !self.own_token { row.certified_alone().map_err(within) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Candidate, Embedded, Plaintext, Strategies, Strategy};

    const LOGIN: &str = "https://login.example.com";

    fn named() -> PlainUser {
        PlainUser::in_field("x-user-id", LOGIN)
    }

    fn row() -> Target {
        Target::origin("https://stock.internal").expect("origin").audience("stock")
    }

    fn checked(strategies: impl Into<Strategies>, change: impl FnOnce(Target) -> Target) -> Result<(), String> {
        change(row()).strategy(strategies).check().map(drop).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn named_b1_a_file_says_what_code_says_and_whose_users_these_are() {
        let read = |text: &str| toml::from_str::<PlainUser>(text).map_err(|error| error.message().to_owned());
        let least = format!("header = 'x-user-id'\nusers_of = '{LOGIN}'\n");
        assert_eq!(read(&least), Ok(named()));
        assert_eq!(
            read(&format!("{least}pass_on = true\nown_token = false")),
            Ok(named().pass_on().without_own_token())
        );
        assert_eq!(read("header = 'x-user-id'"), Err("missing field `users_of`".to_owned()));
        assert_eq!(read(&format!("users_of = '{LOGIN}'")), Err("missing field `header`".to_owned()));
    }

    #[test]
    fn named_b1_a_row_names_one_field_and_one_issuer() {
        let same = |row| row;
        assert_eq!(checked(named(), same), Ok(()));
        assert_eq!(checked(named(), |row| row.on_behalf_of(OnBehalfOf::User)), Ok(()));
        let at = "strategy.plain_user";
        for (header, rule) in [
            ("x user", "is no name of a header field"),
            ("x_user_id", "is written with _, which gateways take for - or drop"),
            ("Authorization", "is a field that credentials of requests come in; name one of its own"),
            ("Host", "is a field of the message itself"),
        ] {
            let refused = checked(PlainUser::in_field(header, LOGIN), same);
            assert_eq!(refused, Err(format!("{at}.header: {rule}")), "{header}");
        }
        let nobodys = checked(PlainUser::in_field("x-user-id", ""), same);
        assert_eq!(nobodys, Err(format!("{at}.users_of: issuer is empty")));
        assert_eq!(
            checked(named(), |row| row.user_token_in("x-user-token")),
            Err("user_header: has no place beside plain_user, whose header is the only one with a user in it"
                .to_owned())
        );
        for whom in [OnBehalfOf::Workload, OnBehalfOf::WhoeverCalled] {
            let rule = "on_behalf_of: has to be \"user\" with plain_user, which names users and no workloads";
            assert_eq!(checked(named(), |row| row.on_behalf_of(whom)), Err(rule.to_owned()));
        }
        let list: Strategies = [Embedded::at("a").into(), Strategy::from(named())].into();
        assert_eq!(
            checked(list, same),
            Err(
                "strategy: has plain_user in a list, which goes in a field of its own; make it the row's only strategy"
                    .to_owned()
            )
        );
    }

    #[test]
    fn named_b1_who_sends_no_token_of_its_own_is_known_by_a_certificate() {
        let rule = "strategy.plain_user.own_token: is left out where a certificate says who this service is, so it needs https";
        let at = |origin: &str| Target::origin(origin).expect("origin").audience("stock");
        let checked = |row: Target| row.strategy(named().without_own_token()).check().map(drop);
        assert_eq!(checked(at("https://stock.internal")), Ok(()));
        assert_eq!(checked(at("http://stock.internal").plaintext(Plaintext::SidecarMtls)), Ok(()));
        let refused = checked(at("http://127.0.0.1:1").plaintext(Plaintext::Loopback)).expect_err("refused");
        assert_eq!(refused.to_string(), rule);
    }

    #[test]
    fn named_b5_the_way_out_is_tried_as_a_shadow_and_for_nobody_in_part() {
        let with = |candidate: Candidate| checked(named(), |row| row.candidate(candidate.token_exchange()));
        assert_eq!(with(Candidate::shadow()), Ok(()));
        let rule = "candidate.strategy: goes in another field than the row's; make it a row, with methods or a path";
        assert_eq!(with(Candidate::percent(10)), Err(rule.to_owned()));
    }
}
