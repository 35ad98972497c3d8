//! Two credentials on one request: this service's own in `Authorization`, where one goes, and its caller's user's in a field
//! of its own.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use tower_identity_core::{Timestamp, ambient};

use super::{Obtained, Outbound, Shared, Waiting, is_sent};
use crate::{
    OutboundError,
    acting::Acting,
    deadline,
    entry::{Credential, Entry},
    error::Reason,
    row::{Asked, Row},
    strip::Strip,
};

impl Outbound {
    /// Both, or nothing.
    pub(super) fn obtain_both(
        &self,
        row: &Row,
        field: &HeaderName,
        (headers, acting): (&HeaderMap, Option<&Acting>),
        strip: Option<Strip>,
        now: Timestamp,
    ) -> Result<Obtained, OutboundError> {
        let Shared { cache, clock, .. } = &*self.0;
        let found = ambient::with(|scope| {
            let picked = row.picked(acting, scope);
            let (own, users) = (picked.beside(), picked.ask(acting, scope, now)?);
            let at_hand = |asked: Asked<'_, '_>| cache.find(&asked.key(), now);
            let found = match (own.map(at_hand), at_hand(users)) {
                (found @ (None | Some(Some(_))), Some(entry)) => {
                    users.accepts(&entry)?;
                    let found = found.flatten();
                    if let (Some(own), Some(entry)) = (own, &found) {
                        is_sent(entry, own, cache, now);
                    }
                    is_sent(&entry, users, cache, now);
                    Ok((found, entry))
                }
                _ => {
                    let ask = |asked: Asked<'_, '_>| Ok::<_, Box<Reason>>((asked.to_ask(false)?, asked.to_caller()));
                    Err((own.map(ask).transpose()?, ask(users)?))
                }
            };
            Ok((found, row.shadow(acting, scope, now)))
        });
        let refused = |reason: Box<Reason>| OutboundError::new(Some(row.name.clone()), *reason);
        let (found, shadow) = found.map_err(refused)?;
        let field = field.clone();
        match found {
            Ok((own, users)) => {
                if let Some(shadow) = shadow {
                    shadow.begin();
                }
                Ok(Obtained::Now(credential(own, strip, now).beside(field, users)))
            }
            Err((own, users)) => {
                let waiting = |(ask, caller)| Waiting {
                    outbound: self.clone(),
                    name: row.name.clone(),
                    ask,
                    caller,
                    shadow: None,
                };
                let (mut own, mut users) = (own.map(waiting), waiting(users));
                users.shadow = shadow;
                let obtaining = async move {
                    let own = match &mut own {
                        Some(own) => Some(own.entry().await?.0),
                        None => None,
                    };
                    // The user's comes last: what is looked at once more is the caller, who may be gone by now.
                    let (users, now) = users.entry().await?;
                    Ok(credential(own, strip, now).beside(field, users))
                };
                let (limit, name) = (deadline::of(row.deadline, headers), row.name.clone());
                Ok(Obtained::Later(Box::pin(deadline::within(limit, clock.clone(), name, obtaining))))
            }
        }
    }
}

fn credential(own: Option<Arc<Entry>>, strip: Option<Strip>, now: Timestamp) -> Credential {
    match own {
        Some(own) => Credential::new(own, strip, now),
        None => Credential::bare(strip, now),
    }
}
