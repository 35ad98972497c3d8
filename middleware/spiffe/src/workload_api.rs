//! The stream of X.509-SVIDs and bundles, and what it has brought (SPIFFE Workload API §5).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use event_listener::Event;
use futures_util::StreamExt;
use spiffe::{TrustDomain, WorkloadApiClient, WorkloadApiError, X509Context, transport::Endpoint};
use tower_identity_core::{Clock, InvalidSetting};
use tower_identity_refresh::{Posted, Upkeep, jitter, system_clock};

use crate::{pem, telemetry};

/// How long an agent that is out of reach is left alone at first, and at most: twice as long after each failure.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The agent has sent nothing in this time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Workload API at {endpoint} has sent no certificate within {} s", .after.as_secs())]
pub struct NotReady {
    endpoint: Box<str>,
    after: Duration,
}

/// A workload's certificate and the authorities of trust domains, as the Workload API of SPIFFE tells of them: SPIRE's agent,
/// or another. Cheap to clone; the clones share the stream, which ends with the last of them. Prints no key.
///
/// Of several SVIDs the first counts, which is the workload's default identity.
///
/// ```
/// use std::time::Duration;
/// use tower_identity_spiffe::WorkloadApi;
///
/// async fn start() -> Result<(), Box<dyn std::error::Error>> {
///     let workload = WorkloadApi::at("unix:/run/spire/sockets/agent.sock")?;
///     workload.ready(Duration::from_secs(30)).await?;
///     let (certificate, authorities) = (workload.svid(), workload.bundle("example.org")?);
///     # let _ = (certificate, authorities);
///     Ok(())
/// }
/// # let _ = start;
/// # let refused = WorkloadApi::at("/run/agent.sock").expect_err("no URI");
/// # assert!(refused.to_string().starts_with("endpoint: "), "{refused}");
/// ```
#[derive(Clone)]
pub struct WorkloadApi(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    upkeep: Upkeep,
}

/// What the stream brings, and those who go by it.
struct Shared {
    endpoint: Endpoint,
    /// The same, for logs.
    name: Box<str>,
    clock: Clock,
    svid: Posted,
    /// Of those trust domains that somebody goes by. As many as are configured.
    bundles: Mutex<Bundles>,
    /// The SPIFFE ID, once it is known. Held for moments only.
    id: Mutex<Option<Box<str>>>,
    /// Of those who wait for it.
    is_known: Event,
}

#[derive(Default)]
struct Bundles {
    asked_for: HashMap<TrustDomain, Posted>,
    last: Option<X509Context>,
}

impl WorkloadApi {
    /// The Workload API at this endpoint: `unix:/path/to/socket`, or `tcp:127.0.0.1:8081`. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `endpoint`, when it is none.
    pub fn at(endpoint: &str) -> Result<Self, InvalidSetting> {
        Self::with_clock(endpoint, system_clock())
    }

    /// [`at`](Self::at), with the clock of a test.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn with_clock(endpoint: &str, clock: Clock) -> Result<Self, InvalidSetting> {
        let parsed = Endpoint::parse(endpoint).map_err(|wrong| InvalidSetting::new("endpoint", wrong.to_string()))?;
        if matches!(&parsed, Endpoint::Tcp { host, .. } if !host.is_loopback()) {
            return Err(InvalidSetting::new("endpoint", "is on another machine, and keys would go there in plaintext"));
        }
        let shared = Arc::new(Shared {
            endpoint: parsed,
            name: endpoint.into(),
            clock,
            svid: Posted::new(format!("the X.509-SVID of {endpoint}")),
            bundles: Mutex::default(),
            id: Mutex::default(),
            is_known: Event::new(),
        });
        let followed = Arc::clone(&shared);
        let upkeep = Upkeep::new(move || Arc::clone(&followed).follow());
        Ok(Self(Arc::new(Inner { shared, upkeep })))
    }

    /// Begins to follow the stream, unless that is under way, and waits until it has brought a certificate. To be awaited
    /// before a listener or a verifier is built by it.
    ///
    /// # Errors
    ///
    /// [`NotReady`], when it has not in this time; what is told meanwhile says why.
    pub async fn ready(&self, within: Duration) -> Result<(), NotReady> {
        let Shared { name, clock, is_known, .. } = &*self.0.shared;
        self.0.upkeep.keep();
        let known = async {
            loop {
                let told = is_known.listen();
                if self.id().is_some() {
                    return;
                }
                told.await;
            }
        };
        let in_time = clock.within(within, known).await;
        in_time.ok_or_else(|| NotReady { endpoint: name.clone(), after: within })
    }

    /// The workload's certificate, what leads from it to its authority, and its key: one text.
    #[must_use]
    pub fn svid(&self) -> &Posted {
        &self.0.shared.svid
    }

    /// The workload's SPIFFE ID, once it is known.
    #[must_use]
    pub fn id(&self) -> Option<Box<str>> {
        self.0.shared.id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The authorities of a trust domain: the workload's own, or one that is federated with it. Where the agent no longer tells
    /// of the domain, there are none, and none is trusted.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `trust_domain`, when it is none.
    pub fn bundle(&self, trust_domain: &str) -> Result<Posted, InvalidSetting> {
        let wrong = |wrong: spiffe::SpiffeIdError| InvalidSetting::new("trust_domain", wrong.to_string());
        let domain = TrustDomain::new(trust_domain).map_err(wrong)?;
        let Shared { name, .. } = &*self.0.shared;
        let mut bundles = self.0.shared.bundles();
        let Bundles { asked_for, last } = &mut *bundles;
        let posted = asked_for.entry(domain.clone()).or_insert_with(|| {
            let posted = Posted::new(format!("the bundle of {domain} of {name}"));
            if let Some(context) = last {
                posted.post(authorities(context, &domain));
            }
            posted
        });
        Ok(posted.clone())
    }
}

impl Shared {
    /// Follows the stream for ever.
    async fn follow(self: Arc<Self>) {
        let mut pause = PAUSE;
        loop {
            let error = match self.listen(&mut pause).await {
                Ok(()) => WorkloadApiError::EmptyResponse,
                Err(error) => error,
            };
            telemetry::failed(&self.name, &error);
            let random = f64::from(jitter()) / f64::from(u32::MAX);
            self.clock.sleep(pause.mul_f64(0.5 + random / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Takes what comes, until there is no more.
    async fn listen(&self, pause: &mut Duration) -> Result<(), WorkloadApiError> {
        let client = WorkloadApiClient::connect(self.endpoint.clone()).await?;
        let mut contexts = client.stream_x509_contexts().await?;
        while let Some(context) = contexts.next().await {
            self.take(context?);
            *pause = PAUSE;
        }
        Ok(())
    }

    /// Takes all of it, the authorities first: who is shown the new certificate has those that it leads to.
    fn take(&self, context: X509Context) {
        let mut bundles = self.bundles();
        for (domain, posted) in &bundles.asked_for {
            posted.post(authorities(&context, domain));
        }
        let number = context.bundle_set().len();
        if let Some(svid) = context.default_svid() {
            self.svid.post(pem::of_svid(svid));
            let id: Box<str> = svid.spiffe_id().to_string().into();
            telemetry::updated(&self.name, &id, number);
            *self.id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
            self.is_known.notify(usize::MAX);
        }
        bundles.last = Some(context);
    }

    fn bundles(&self) -> MutexGuard<'_, Bundles> {
        self.bundles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn authorities(context: &X509Context, domain: &TrustDomain) -> String {
    context.bundle_set().get_ref(domain).map_or_else(String::new, |bundle| pem::of_bundle(bundle))
}

/// Where it is.
impl fmt::Debug for WorkloadApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkloadApi").field("endpoint", &self.0.shared.name).finish_non_exhaustive()
    }
}
