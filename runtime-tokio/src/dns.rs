//! Names, by hickory's resolver.

use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use peerwork_core::swarm::dialer::{RecordKind, Records};
use peerwork_runtime::{BoxFuture, ResolveError, Resolver};
use std::net::SocketAddr;
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

impl Resolver for Dns {
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
