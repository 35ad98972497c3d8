//! News of orders, for the streams that users have open: each hears of their own, and of nobody else's.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::response::sse::Event;
use futures_util::{Stream, stream};
use serde_json::Value;
use tokio::sync::broadcast::{
    self,
    error::{RecvError, SendError},
};
use tower_identity::User;

/// How many users can listen at one time.
const MAX_USERS: usize = 10_000;

/// How many events a stream may be behind. One that is further behind misses the oldest, and is told so.
const MAX_BEHIND: usize = 32;

/// Who listens. A user is the issuer's, never the subject alone.
#[derive(Debug, Default)]
pub(crate) struct News(Mutex<HashMap<User, broadcast::Sender<Arc<Value>>>>);

impl News {
    /// What happens to this user from now on; `None` where too many listen.
    pub(crate) fn of(&self, user: &User) -> Option<Listening> {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listened) = listeners.get(user) {
            return Some(Listening(listened.subscribe()));
        }
        if listeners.len() >= MAX_USERS {
            listeners.retain(|_, listened| listened.receiver_count() > 0);
        }
        if listeners.len() >= MAX_USERS {
            return None;
        }
        let (listened, listening) = broadcast::channel(MAX_BEHIND);
        listeners.insert(user.clone(), listened);
        Some(Listening(listening))
    }

    /// Tells of an order that this user has placed.
    pub(crate) fn placed(&self, user: &User, order: &Value) {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(listened) = listeners.get(user) else { return };
        if let Err(SendError(_)) = listened.send(Arc::new(order.clone())) {
            listeners.remove(user);
        }
    }
}

/// One stream's end of the news.
#[derive(Debug)]
pub(crate) struct Listening(broadcast::Receiver<Arc<Value>>);

impl Listening {
    /// The news as server-sent events, without an end of its own: `order` with an order, and `missed` for those that came
    /// too fast.
    pub(crate) fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, async |mut listening| Some((Ok(listening.next().await?), listening)))
    }

    async fn next(&mut self) -> Option<Event> {
        let event = match self.0.recv().await {
            Ok(order) => Event::default().event("order").json_data(&*order).expect("a value is JSON"),
            Err(RecvError::Lagged(_)) => Event::default().event("missed").data("GET /orders tells of all"),
            Err(RecvError::Closed) => return None,
        };
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;

    fn user(issuer: &str) -> User {
        User { id: "alice".parse().expect("subject"), issuer: issuer.parse().expect("issuer"), tenant: None }
    }

    /// What a stream has by now.
    fn heard(listening: &mut Listening) -> Vec<Result<Value, RecvError>> {
        std::iter::from_fn(|| listening.0.recv().now_or_never())
            .map(|heard| heard.map(Arc::unwrap_or_clone))
            .take(MAX_BEHIND + 1)
            .collect()
    }

    #[test]
    fn one_name_at_two_issuers_is_two_users() {
        let (news, [here, there]) = (News::default(), ["https://a.example", "https://b.example"].map(user));
        let (mut hers, mut again) = (news.of(&here).expect("room"), news.of(&here).expect("room"));
        let mut others = news.of(&there).expect("room");
        news.placed(&here, &json!("order-1"));
        let expected = vec![Ok(json!("order-1"))];
        assert_eq!([heard(&mut hers), heard(&mut again), heard(&mut others)], [expected.clone(), expected, vec![]]);
    }

    #[test]
    fn who_does_not_read_misses_the_oldest_and_who_has_gone_makes_room() {
        let (news, here) = (News::default(), user("https://a.example"));
        let mut listening = news.of(&here).expect("room");
        for at in 0..=MAX_BEHIND {
            news.placed(&here, &json!(at));
        }
        let heard = heard(&mut listening);
        assert_eq!(heard[..2], [Err(RecvError::Lagged(1)), Ok(json!(1))]);

        drop(listening);
        news.placed(&here, &json!("unheard"));
        assert_eq!(news.0.lock().expect("whole").len(), 0);
        let many = (0..MAX_USERS).map(|at| news.of(&user(&format!("https://{at}.example"))).expect("room"));
        let many: Vec<_> = many.collect();
        assert!(news.of(&here).is_none());
        drop(many);
        assert!(news.of(&here).is_some());
    }
}
