//! A config at work: its jobs by name, and the clients of its endpoints and targets.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;

use crate::{
    ask,
    config::{Config, Endpoint, Job, Network, SecretUrl, Target, Way},
    model::JobName,
    push,
};

/// An endpoint at work: its client and its pool of tokens.
pub struct AskEndpoint {
    /// One connection pool for the endpoint.
    pub client: ask::Client,
    /// What is known of its tokens. Revisions with the same tokens at the same place share it: what a request learns that
    /// began before a reload counts after it.
    pub pool: Arc<Mutex<ask::Pool>>,
}

impl AsRef<Self> for AskEndpoint {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AskEndpoint {
    fn following(known: Option<&Arc<Self>>, endpoint: &Arc<Endpoint>) -> anyhow::Result<Arc<Self>> {
        if let Some(known) = known.filter(|known| known.client.endpoint() == endpoint.as_ref()) {
            return Ok(known.clone());
        }
        let client = ask::Client::new(endpoint.clone())?;
        if let Some(known) = known.filter(|known| known.has_the_pool_of(endpoint)) {
            let pool = known.pool.clone();
            return Ok(Arc::new(Self { client, pool }));
        }
        let mut pool = ask::Pool::new(&endpoint.tokens, endpoint.pace);
        if let Some(known) = known {
            let known_pool = known.pool();
            let is_here = known.client.endpoint().base_url == endpoint.base_url;
            let states = known_pool.states().map(|(_, state)| state.clone());
            pool.restore(states.map(|state| match is_here {
                true => state,
                false => state.elsewhere(),
            }));
            if known.is_the_way_to(endpoint) {
                pool.restore_endpoint(known_pool.endpoint().clone());
            }
        }
        Ok(Arc::new(Self {
            client,
            pool: Arc::new(Mutex::new(pool)),
        }))
    }

    /// The NAME of `[ai.NAME]`.
    pub(super) fn name(&self) -> &str {
        &self.client.endpoint().name
    }

    /// Whether the endpoint is where it was: what failed there fails there still.
    fn is_the_way_to(&self, endpoint: &Endpoint) -> bool {
        let known = self.client.endpoint();
        known.base_url == endpoint.base_url && known.network == endpoint.network
    }

    /// Whether its tokens are those of the endpoint, at the same place and the same pace.
    fn has_the_pool_of(&self, endpoint: &Endpoint) -> bool {
        let known = self.client.endpoint();
        let is_same = known.tokens == endpoint.tokens && known.pace == endpoint.pace;
        is_same && self.is_the_way_to(endpoint)
    }

    pub(super) fn pool(&self) -> MutexGuard<'_, ask::Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A config at work. Running runs finish with the revision they began with.
pub struct Revision {
    /// The config.
    pub config: Arc<Config>,
    jobs: HashMap<JobName, Arc<Job>>,
    pub(super) endpoints: HashMap<Arc<str>, Arc<AskEndpoint>>,
    /// Targets and monitors on the same way share a client.
    pushers: HashMap<Way, push::Client>,
}

impl Revision {
    /// Makes the clients of a config.
    ///
    /// # Errors
    /// A client cannot be made: a proxy or certificate that does not work, or no CA bundle.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        Self::build(config, None)
    }

    /// The revision that a reload makes of another one: what has not changed keeps its connections,
    /// and tokens that stay keep what is known of them.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn following(before: &Self, config: Config) -> anyhow::Result<Self> {
        Self::build(config, Some(before))
    }

    fn build(config: Config, before: Option<&Self>) -> anyhow::Result<Self> {
        let endpoints = config.endpoints.values().map(|endpoint| {
            let known = before.and_then(|before| before.endpoints.get(&endpoint.name));
            Ok((
                endpoint.name.clone(),
                AskEndpoint::following(known, endpoint)?,
            ))
        });
        let endpoints = endpoints.collect::<anyhow::Result<_>>()?;
        let pushers = pushers(&config, before)?;
        let named = |job: &Arc<Job>| (job.name.clone(), job.clone());
        Ok(Self {
            jobs: config.jobs.iter().map(named).collect(),
            endpoints,
            pushers,
            config: Arc::new(config),
        })
    }

    /// The job of that name.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<&Arc<Job>> {
        self.jobs.get(name)
    }

    /// The endpoint of that name at work.
    ///
    /// # Errors
    /// There is none: the config's references are checked, so this is a defect.
    pub fn endpoint(&self, name: &str) -> anyhow::Result<&AskEndpoint> {
        self.endpoints
            .get(name)
            .map(AsRef::as_ref)
            .with_context(|| format!("there is no [ai.{name}]: please report this"))
    }

    /// The target of that name with its client.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<(&Arc<Target>, &push::Client)> {
        let target = self.config.targets.get(name)?;
        Some((target, self.pushers.get(&target.way())?))
    }

    /// The client that reaches a monitor of this config.
    pub(super) fn monitor(&self, url: &SecretUrl) -> Option<&push::Client> {
        self.pushers.get(&monitored(url))
    }
}

/// A monitor is reached as the environment says.
fn monitored(url: &SecretUrl) -> Way {
    Network::default().way_to(url.expose())
}

fn pushers(
    config: &Config,
    before: Option<&Revision>,
) -> anyhow::Result<HashMap<Way, push::Client>> {
    let mut pushers = HashMap::new();
    let of_jobs = config.jobs.iter().map(|job| &job.heartbeat_url);
    let monitors = of_jobs.chain([&config.heartbeat_url]).flatten();
    let monitors = monitors.map(|url| (monitored(url), "heartbeat_url".to_owned()));
    let targets = config.targets.values();
    let targets = targets.map(|target| (target.way(), target.label()));
    for (way, label) in targets.chain(monitors) {
        if let Entry::Vacant(new) = pushers.entry(way) {
            let known = before.and_then(|before| before.pushers.get(new.key()));
            let client = match known {
                Some(client) => client.clone(),
                None => push::Client::new(new.key()).context(label)?,
            };
            new.insert(client);
        }
    }
    Ok(pushers)
}
