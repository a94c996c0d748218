//! Names, by hickory's resolver.

use crate::resolver::{ResolveError, Resolver};
use crate::runtime::BoxFuture;
use hickory_resolver::Hosts;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::RuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use peerwork_core::swarm::dialer::{RecordKind, Records};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Name resolution by DNS over UDP and TCP, after a look at the system's hosts file. The provider `P` is what hickory knows of a runtime:
/// its sockets, timers and tasks.
///
/// The configuration and the hosts file are read when the first name is asked for, and again after a name server did not answer: a
/// machine that changes its network needs no restart. Answers are kept for as long as they say.
#[derive(Clone)]
pub struct Dns<P: RuntimeProvider> {
    provider: P,
    servers: Servers,
    client: Slot<P>,
}

/// Where the client is, once the first name was asked for.
type Slot<P> = Arc<Mutex<Option<Arc<Client<P>>>>>;

#[derive(Clone)]
enum Servers {
    System,
    Own(Vec<SocketAddr>),
}

struct Client<P: RuntimeProvider> {
    /// Beside the resolver, which looks for a name without dots only together with the system's search domains.
    hosts: Hosts,
    /// Without a configuration there are still the hosts.
    resolver: Result<hickory_resolver::Resolver<P>, ResolveError>,
}

impl<P: RuntimeProvider + Default> Dns<P> {
    /// The name servers of the system's configuration: `/etc/resolv.conf`, or Windows' settings.
    pub fn system() -> Self {
        Self::on(P::default())
    }

    /// These name servers, in this order of preference, and none of the system's.
    pub fn with_servers(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self::on(P::default()).servers(servers)
    }
}

impl<P: RuntimeProvider> Dns<P> {
    /// The system's name servers, asked with this runtime's sockets and tasks.
    pub fn on(provider: P) -> Self {
        Self { provider, servers: Servers::System, client: Arc::default() }
    }

    /// Asks these name servers, in this order of preference, and no others.
    #[must_use]
    pub fn servers(self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        let servers = Servers::Own(servers.into_iter().collect());
        Self { provider: self.provider, servers, client: Arc::default() }
    }

    fn client(&self) -> Arc<Client<P>> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.get_or_insert_with(|| Arc::new(self.servers.client(self.provider.clone()))).clone()
    }

    /// Has the configuration read anew the next time.
    fn forget(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Servers {
    fn client<P: RuntimeProvider>(&self, provider: P) -> Client<P> {
        let resolver = self.resolver(provider).map_err(|error| {
            let reason =
                format!("this machine's name servers are not configured: {error}; see /etc/resolv.conf");
            ResolveError::Failed(reason)
        });
        Client { hosts: Hosts::from_system().unwrap_or_default(), resolver }
    }

    fn resolver<P: RuntimeProvider>(&self, provider: P) -> Result<hickory_resolver::Resolver<P>, NetError> {
        match self {
            Self::System => hickory_resolver::Resolver::builder(provider)?.build(),
            Self::Own(servers) => {
                let servers = servers.iter().map(|address| {
                    let mut server = NameServerConfig::udp_and_tcp(address.ip());
                    server.connections.iter_mut().for_each(|connection| connection.port = address.port());
                    server
                });
                let config = ResolverConfig::from_name_servers(servers.collect());
                hickory_resolver::Resolver::builder_with_config(config, provider).build()
            }
        }
    }
}

impl<P: RuntimeProvider> Client<P> {
    async fn lookup(&self, name: Name, kind: RecordKind) -> Result<Records, ResolveError> {
        let record_type = match kind {
            RecordKind::Ip4 => RecordType::A,
            RecordKind::Ip6 => RecordType::AAAA,
            RecordKind::Txt => RecordType::TXT,
        };
        let lookup = match self.hosts.lookup_static_host(&Query::query(name.clone(), record_type)) {
            Some(lookup) => lookup,
            None => self
                .resolver
                .as_ref()
                .map_err(Clone::clone)?
                .lookup(name, record_type)
                .await
                .map_err(resolve_error)?,
        };
        let answers = lookup.answers().iter().map(|record| &record.data);
        match kind {
            RecordKind::Ip4 | RecordKind::Ip6 => {
                let addresses: Vec<_> = answers.filter_map(RData::ip_addr).collect();
                if addresses.is_empty() {
                    Err(ResolveError::NotFound)
                } else {
                    Ok(Records::Addresses(addresses))
                }
            }
            RecordKind::Txt => {
                let texts: Vec<_> = answers.filter_map(text).collect();
                if texts.is_empty() { Err(ResolveError::NotFound) } else { Ok(Records::Texts(texts)) }
            }
        }
    }
}

/// The text of a TXT record, its parts joined; `None` for other records, and for bytes that are no text.
fn text(data: &RData) -> Option<String> {
    match data {
        RData::TXT(txt) => String::from_utf8(txt.txt_data.concat()).ok(),
        _ => None,
    }
}

fn resolve_error(error: NetError) -> ResolveError {
    if error.is_no_records_found() {
        ResolveError::NotFound
    } else {
        ResolveError::Failed(format!("the name servers give no answer: {error}"))
    }
}

impl<P: RuntimeProvider> Resolver for Dns<P> {
    fn lookup(&self, name: &str, kind: RecordKind) -> BoxFuture<Result<Records, ResolveError>> {
        let (dns, name) = (self.clone(), Name::from_utf8(name));
        Box::pin(async move {
            let name = name.map_err(|_| ResolveError::BadName("it cannot be a name in DNS"))?;
            let result = dns.client().lookup(name, kind).await;
            if let Err(ResolveError::Failed(_)) = result {
                dns.forget();
            }
            result
        })
    }
}
