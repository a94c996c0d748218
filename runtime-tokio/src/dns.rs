//! Names, by hickory's resolver.

use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use peerwork_runtime::{BoxFuture, Family, ResolveError, Resolver};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// Name resolution by DNS over UDP and TCP, after a look at the system's hosts file.
///
/// The configuration and the hosts file are read when the first name is asked for, and again after a name server did not answer: a
/// machine that changes its network needs no restart. Answers are kept for as long as they say.
#[derive(Clone)]
pub struct Dns {
    servers: Servers,
    client: Arc<Mutex<Option<Arc<Client>>>>,
}

#[derive(Clone)]
enum Servers {
    System,
    Own(Vec<SocketAddr>),
}

struct Client {
    /// Beside the resolver, which looks for a name without dots only together with the system's search domains.
    hosts: Hosts,
    /// Without a configuration there are still the hosts.
    resolver: Result<TokioResolver, ResolveError>,
}

impl Dns {
    /// The name servers of the system's configuration: `/etc/resolv.conf`, or Windows' settings.
    pub fn system() -> Self {
        Self { servers: Servers::System, client: Arc::default() }
    }

    /// These name servers, in this order of preference, and none of the system's.
    pub fn with_servers(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { servers: Servers::Own(servers.into_iter().collect()), client: Arc::default() }
    }

    fn client(&self) -> Arc<Client> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.get_or_insert_with(|| Arc::new(self.servers.client())).clone()
    }

    /// Has the configuration read anew the next time.
    fn forget(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Servers {
    fn client(&self) -> Client {
        let resolver = self.resolver().map_err(|error| {
            let reason =
                format!("this machine's name servers are not configured: {error}; see /etc/resolv.conf");
            ResolveError::Failed(reason)
        });
        Client { hosts: Hosts::from_system().unwrap_or_default(), resolver }
    }

    fn resolver(&self) -> Result<TokioResolver, NetError> {
        match self {
            Self::System => TokioResolver::builder_tokio()?.build(),
            Self::Own(servers) => {
                let servers = servers.iter().map(|address| {
                    let mut server = NameServerConfig::udp_and_tcp(address.ip());
                    server.connections.iter_mut().for_each(|connection| connection.port = address.port());
                    server
                });
                let config = ResolverConfig::from_name_servers(servers.collect());
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()
            }
        }
    }
}

impl Client {
    async fn lookup(&self, name: Name, family: Family) -> Result<Vec<IpAddr>, ResolveError> {
        let kind = match family {
            Family::Ip4 => RecordType::A,
            Family::Ip6 => RecordType::AAAA,
        };
        let lookup = match self.hosts.lookup_static_host(&Query::query(name.clone(), kind)) {
            Some(lookup) => lookup,
            None => self
                .resolver
                .as_ref()
                .map_err(Clone::clone)?
                .lookup(name, kind)
                .await
                .map_err(resolve_error)?,
        };
        let addresses: Vec<_> = lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
        if addresses.is_empty() { Err(ResolveError::NotFound) } else { Ok(addresses) }
    }
}

fn resolve_error(error: NetError) -> ResolveError {
    if error.is_no_records_found() {
        ResolveError::NotFound
    } else {
        ResolveError::Failed(format!("the name servers give no answer: {error}"))
    }
}

impl Resolver for Dns {
    fn resolve(&self, name: &str, family: Family) -> BoxFuture<Result<Vec<IpAddr>, ResolveError>> {
        let (dns, name) = (self.clone(), Name::from_utf8(name));
        Box::pin(async move {
            let name = name.map_err(|_| ResolveError::BadName("it cannot be a name in DNS"))?;
            let result = dns.client().lookup(name, family).await;
            if let Err(ResolveError::Failed(_)) = result {
                dns.forget();
            }
            result
        })
    }
}
