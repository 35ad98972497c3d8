//! What sets issuers to work.

use std::{sync::Arc, time::Duration};

use tower_identity_core::{InvalidSetting, Issuer, Revocations};
use tower_identity_jose::{KnownHeaders, Limits};
use tower_identity_oauth::Http;

use crate::{
    aliases::AliasTable,
    anchor::Anchor,
    issuer::Checked,
    judge::Rules,
    keys::{KeyPlan, Keys, Row},
    opaque::Opaque,
    trusted::Trusted,
};

/// Issuers at work, and the one of them whose tokens are opaque.
pub(super) type AtWork = (Box<[Arc<Trusted>]>, Option<Arc<Opaque>>);

/// The same, of the settings whose place others take.
pub(super) type Before<'a> = Option<(&'a [Arc<Trusted>], Option<&'a Arc<Opaque>>)>;

/// What sets issuers to work.
pub(super) struct Connect<'a> {
    pub(super) home: Option<&'a Issuer>,
    pub(super) http: &'a Http,
    pub(super) limits: &'a Limits,
    pub(super) headers: &'a Arc<KnownHeaders>,
    pub(super) aliases: &'a Arc<AliasTable>,
    pub(super) revocations: &'a Revocations,
}

impl Connect<'_> {
    /// These issuers, beside those that speak for their own workloads themselves; and the one of them whose tokens are
    /// opaque. What of them is as before goes on.
    pub(super) fn all(
        &self,
        issuers: Vec<Checked>,
        field: &str,
        speak_themselves: &Arc<[Issuer]>,
        before: Before<'_>,
    ) -> Result<AtWork, InvalidSetting> {
        let (before, former_opaque) = before.unwrap_or_default();
        let (mut all, mut opaque) = (Vec::with_capacity(issuers.len()), None);
        for (at, mut issuer) in issuers.into_iter().enumerate() {
            let of = |wrong: InvalidSetting| wrong.within(at).within(field);
            let http = issuer.keys.http(self.http).map_err(of)?;
            let redeeming = issuer.redeeming.take();
            let trusted = self.one(issuer, &http, redeeming.is_some(), speak_themselves, before).map_err(of)?;
            let trusted = Arc::new(trusted);
            if let Some(redeeming) = redeeming {
                let tokens = Opaque::new(redeeming, &trusted, &http);
                let tokens = tokens.map_err(|wrong| of(wrong.within("introspection")))?;
                let tokens = tokens.succeeding(former_opaque.map(|former| &**former));
                if opaque.replace(Arc::new(tokens)).is_some() {
                    let rule = "another issuer's tokens are opaque too, and such a token does not say whose it is";
                    return Err(of(InvalidSetting::new("introspection", rule)));
                }
            }
            all.push(trusted);
        }
        Ok((all.into(), opaque))
    }

    fn one(
        &self,
        issuer: Checked,
        http: &Http,
        is_opaque: bool,
        speak_themselves: &Arc<[Issuer]>,
        before: &[Arc<Trusted>],
    ) -> Result<Trusted, InvalidSetting> {
        let keys = self.keys(issuer.keys, &issuer.anchor, issuer.leeway, http, before)?;
        let table = issuer.table;
        Ok(Trusted {
            accept: table.accept(issuer.algorithms),
            keys,
            clock: self.http.clock().clone(),
            aliases: Arc::clone(self.aliases),
            limits: self.limits.clone(),
            headers: Arc::clone(self.headers),
            is_opaque,
            rules: Rules {
                home: issuer.anchor.is_one_issuer() && Some(issuer.anchor.name()) == self.home,
                anchor: issuer.anchor,
                table,
                audiences: issuer.audiences,
                leeway: issuer.leeway,
                longest: issuer.longest,
                trusted: Arc::clone(speak_themselves),
                issued_to_is_sender: issuer.issued_to_is_sender,
                users_of: issuer.users_of,
                topics: issuer.topics,
                encrypted_to: issuer.encrypted_to,
                revocations: self.revocations.clone(),
            },
        })
    }

    /// Those that were there before, where they are found and kept alike; else others.
    fn keys(
        &self,
        plan: KeyPlan,
        anchor: &Anchor,
        leeway: Duration,
        http: &Http,
        before: &[Arc<Trusted>],
    ) -> Result<Arc<Keys>, InvalidSetting> {
        let of = |is_like: fn(&Row, &Row) -> bool| {
            before.iter().map(|trusted| &trusted.keys).find(|keys| is_like(plan.row(), keys.row()))
        };
        if let Some(same) = of(Row::is) {
            return Ok(Arc::clone(same));
        }
        let former = of(Row::has_keys_of).map(|keys| &**keys);
        plan.connect(anchor.name(), anchor.found_at(), leeway, http, former).map(Arc::new)
    }
}
