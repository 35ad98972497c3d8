//! Two credentials on one request: this service's own in `Authorization`, and its caller's user's in a field of its own.

use http::{HeaderMap, HeaderName};
use tower_identity_core::{Timestamp, ambient};

use super::{Obtained, Outbound, Shared, Waiting, is_sent};
use crate::{
    OutboundError,
    acting::Acting,
    deadline,
    entry::Credential,
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
            let both = [picked.own(), picked.ask(acting, scope, now)?];
            let found = match both.map(|asked| cache.find(&asked.key(), now)) {
                [Some(own), Some(users)] => {
                    both[1].accepts(&users)?;
                    is_sent(&own, both[0], cache, now);
                    is_sent(&users, both[1], cache, now);
                    Ok((own, users))
                }
                _ => {
                    let ask = |asked: Asked<'_, '_>| Ok::<_, Box<Reason>>((asked.to_ask(false)?, asked.to_caller()));
                    Err([ask(both[0])?, ask(both[1])?])
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
                Ok(Obtained::Now(Credential::new(own, strip, now).beside(field, users)))
            }
            Err(both) => {
                let waiting = |(ask, caller)| Waiting {
                    outbound: self.clone(),
                    name: row.name.clone(),
                    ask,
                    caller,
                    shadow: None,
                };
                let [mut own, mut users] = both.map(waiting);
                users.shadow = shadow;
                let obtaining = async move {
                    let (own, _) = own.entry().await?;
                    // The user's comes last: what is looked at once more is the caller, who may be gone by now.
                    let (users, now) = users.entry().await?;
                    Ok(Credential::new(own, strip, now).beside(field, users))
                };
                let (limit, name) = (deadline::of(row.deadline, headers), row.name.clone());
                Ok(Obtained::Later(Box::pin(deadline::within(limit, clock.clone(), name, obtaining))))
            }
        }
    }
}
