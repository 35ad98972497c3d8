//! Pushing events to their receivers (RFC 8935): at once, and again in the background to who does not answer.

use std::{sync::Arc, time::Duration};

use axum::http::{StatusCode, header::CONTENT_TYPE};
use reqwest::{Client, Url, redirect::Policy};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tower_identity::{Audience, ClientTls, Clock, InvalidSetting, SecretToken, WithCauses};

use crate::{authority::Authority, error::TokenError, event::Ended, layout::is_loopback, settings::ReceiverSettings};

/// How long a receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long it is until an event is pushed again, each time.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(16), Duration::from_secs(64)];

/// How many events may be under way. Beyond that, one that is not acknowledged at once is not pushed again.
const MAX_UNDER_WAY: usize = 256;

/// Who is told what is revoked.
#[derive(Debug)]
pub(crate) struct Receivers {
    all: Vec<Arc<Receiver>>,
    http: Client,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Receiver {
    url: Url,
    audience: Audience,
}

/// What a receiver made of an event so far.
#[derive(Debug, Serialize)]
pub(crate) struct Pushed {
    receiver: Audience,
    acknowledged: bool,
}

/// What became of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Acknowledged,
    /// The receiver does not want it, and will not later.
    Refused,
    NotNow,
}

impl Receivers {
    pub(crate) fn new(settings: Vec<ReceiverSettings>, tls: Option<&ClientTls>) -> Result<Self, InvalidSetting> {
        let receiver = |(at, row): (usize, ReceiverSettings)| {
            let url =
                usable(&row.url).map_err(|rule| InvalidSetting::new("url", rule).within(at).within("receiver"))?;
            Ok(Arc::new(Receiver { url, audience: row.audience }))
        };
        let all = settings.into_iter().enumerate().map(receiver).collect::<Result<_, _>>()?;
        // An event goes where the settings say: by no proxy of the environment, and to no other place than that.
        let builder = Client::builder().no_proxy().redirect(Policy::none()).timeout(TIMEOUT);
        let builder = tls.into_iter().fold(builder, |builder, tls| builder.tls_backend_preconfigured(tls.config()));
        let http = builder.build().map_err(|error| InvalidSetting::new("receiver", WithCauses(&error).to_string()))?;
        Ok(Self { all, http, room: Arc::new(Semaphore::new(MAX_UNDER_WAY)) })
    }
}

fn usable(url: &str) -> Result<Url, &'static str> {
    let url = Url::parse(url).map_err(|_| "is no URL")?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host_str().is_some_and(is_loopback) => Ok(url),
        "http" => Err("is http on an address that is not loopback"),
        _ => Err("is neither https nor http"),
    }
}

impl Authority {
    /// Tells every receiver, all at one time, and says who acknowledged at once. Goes on by itself: whoever asked for it may
    /// go away.
    pub(crate) async fn push(&self, ended: &Ended) -> Result<Vec<Pushed>, TokenError> {
        let Receivers { all, http, room } = &self.receivers;
        let mut under_way = Vec::with_capacity(all.len());
        for receiver in all {
            let push = Push {
                event: self.event(ended, &receiver.audience)?,
                receiver: Arc::clone(receiver),
                http: http.clone(),
                clock: self.clock.clone(),
            };
            let (acknowledged, first) = oneshot::channel();
            let place = Arc::clone(room).try_acquire_owned().ok();
            tokio::spawn(push.run(acknowledged, place));
            under_way.push((receiver.audience.clone(), first));
        }
        let mut pushed = Vec::with_capacity(all.len());
        for (receiver, first) in under_way {
            // Without an answer it panicked, or the runtime ends.
            pushed.push(Pushed { receiver, acknowledged: first.await.unwrap_or(false) });
        }
        Ok(pushed)
    }
}

/// One event on its way to one receiver.
struct Push {
    event: SecretToken,
    receiver: Arc<Receiver>,
    http: Client,
    clock: Clock,
}

impl Push {
    async fn run(self, acknowledged: oneshot::Sender<bool>, place: Option<OwnedSemaphorePermit>) {
        let receiver = self.receiver.audience.as_ref();
        let mut attempt = self.attempt().await;
        // Whoever asked may have gone away.
        let _ = acknowledged.send(attempt == Attempt::Acknowledged);
        for pause in PAUSES.into_iter().filter(|_| place.is_some()) {
            if attempt != Attempt::NotNow {
                break;
            }
            self.clock.sleep(pause).await;
            attempt = self.attempt().await;
        }
        match attempt {
            Attempt::Acknowledged => tracing::info!(receiver, "event acknowledged"),
            Attempt::Refused => tracing::warn!(receiver, "event refused"),
            Attempt::NotNow => tracing::error!(receiver, "event lost: its receiver does not answer"),
        }
    }

    /// One request, and one answer, of which the status is read (RFC 8935 §2).
    async fn attempt(&self) -> Attempt {
        let request = self.http.post(self.receiver.url.clone()).header(CONTENT_TYPE, "application/secevent+jwt");
        match request.body(self.event.expose().to_owned()).send().await.map(|answer| answer.status()) {
            Ok(StatusCode::ACCEPTED) => Attempt::Acknowledged,
            Ok(status) if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => Attempt::NotNow,
            Ok(_) => Attempt::Refused,
            Err(error) => {
                tracing::info!(error = %WithCauses(&error.without_url()), "event not delivered");
                Attempt::NotNow
            }
        }
    }
}
