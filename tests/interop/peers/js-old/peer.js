#!/usr/bin/env node
'use strict'
// js-libp2p 0.30, the last line that speaks /secio/1.0.0 and /mplex/6.7.0, behind the command line of ../../README.md.
//   peer.js listen [--listen MADDR] [--topic T]
//   peer.js dial|ping|identify|echo|put|get|provide|find-providers|find-peer|publish MADDR [ARGS]
process.env.NODE_BACKEND = 'js' // bcrypto, which libp2p-noise uses, then needs no native addon
const { parseArgs } = require('util')
const { createHash, generateKeyPairSync, randomBytes } = require('crypto')
const Libp2p = require('libp2p')
const TCP = require('libp2p-tcp')
const WS = require('libp2p-websockets')
const wsFilters = require('libp2p-websockets/src/filters')
const MPLEX = require('libp2p-mplex')
const SECIO = require('libp2p-secio')
const { NOISE } = require('libp2p-noise')
const KadDHT = require('libp2p-kad-dht')
const PeerId = require('peer-id')
const { supportedKeys } = require('libp2p-crypto').keys
const CID = require('cids')
const multiaddr = require('multiaddr')
const { pipe } = require('it-pipe')
const lp = require('it-length-prefixed')
const Identify = require('libp2p/src/identify/message')

const out = (o) => console.log(JSON.stringify(o))
const text = (b) => Buffer.from(b).toString()
const sleep = (ms) => new Promise(resolve => setTimeout(resolve, ms))

async function makeIdentity (type) {
  if (type !== 'rsa') return PeerId.create({ keyType: { ed25519: 'Ed25519', secp256k1: 'secp256k1' }[type] })
  // This version would take ten seconds for it.
  const der = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'der' })
  return PeerId.createFromPrivKey((await supportedKeys.rsa.unmarshalRsaPrivateKey(der)).bytes)
}

async function makeNode (o) {
  const security = { secio: SECIO, noise: NOISE }
  const pubsub = { gossipsub: 'libp2p-gossipsub', floodsub: 'libp2p-floodsub' }[o.pubsub]
  const accept = { func: async () => {} }
  const node = await Libp2p.create({
    peerId: await makeIdentity(o.key),
    addresses: { listen: o.listen ? [o.listen] : [] },
    modules: {
      transport: [TCP, WS],
      streamMuxer: [MPLEX],
      connEncryption: o.security.split(',').map(s => security[s]),
      dht: KadDHT,
      ...(pubsub ? { pubsub: require(pubsub) } : {})
    },
    config: {
      nat: { enabled: false },
      relay: { enabled: false },
      peerDiscovery: { autoDial: false },
      transport: { WebSockets: { filter: wsFilters.all } },
      dht: {
        enabled: true,
        randomWalk: { enabled: false },
        validators: { v: accept, test: accept },
        selectors: { v: () => 0, test: () => 0 }
      }
    }
  })
  node.handle('/echo/1.0.0', ({ stream }) => pipe(stream, stream).catch(e => out({ event: 'echo-error', error: String(e) })))
  return node
}

async function listen (node, o) {
  node.connectionManager.on('peer:connect', c => out({ event: 'connected', peer: c.remotePeer.toB58String(), addr: c.remoteAddr.toString(), encryption: c.stat.encryption, muxer: c.stat.multiplexer }))
  node.connectionManager.on('peer:disconnect', c => out({ event: 'disconnected', peer: c.remotePeer.toB58String() }))
  await node.start()
  if (o.topic) {
    node.pubsub.on(o.topic, m => out({ event: 'message', topic: o.topic, from: m.from, data: text(m.data) }))
    node.pubsub.subscribe(o.topic)
  }
  for (const a of node.multiaddrs) out({ event: 'listening', addr: `${a}/p2p/${node.peerId.toB58String()}` })
  await new Promise(resolve => { process.once('SIGTERM', resolve); process.once('SIGINT', resolve) })
}

async function echo (conn, length) {
  const { stream } = await conn.newStream(['/echo/1.0.0'])
  const sent = randomBytes(length)
  const hash = createHash('sha256')
  let received = 0
  const chunks = function * () { for (let i = 0; i < length; i += 65536) yield sent.slice(i, i + 65536) }
  await pipe(chunks(), stream, async source => {
    for await (const b of source) { const c = b.slice(); received += c.length; hash.update(c) }
  })
  if (hash.digest('hex') !== createHash('sha256').update(sent).digest('hex')) throw new Error(`echo differs: sent ${length}, received ${received}`)
  return { bytes: received }
}

async function identify (conn) {
  const { stream } = await conn.newStream(['/ipfs/id/1.0.0'])
  for await (const b of pipe([], stream, lp.decode())) {
    const m = Identify.decode(b.slice())
    return {
      protocolVersion: m.protocolVersion,
      agentVersion: m.agentVersion,
      peer: (await PeerId.createFromPubKey(m.publicKey)).toB58String(),
      listenAddrs: m.listenAddrs.map(a => multiaddr(a).toString()),
      observedAddr: multiaddr(m.observedAddr).toString(),
      protocols: m.protocols,
      signedPeerRecord: m.signedPeerRecord ? m.signedPeerRecord.length : 0
    }
  }
}

async function dialer (node, command, [addr, ...args], o) {
  await node.start()
  const conn = await node.dial(multiaddr(addr))
  out({ event: 'connected', peer: conn.remotePeer.toB58String(), encryption: conn.stat.encryption, muxer: conn.stat.multiplexer })
  const dhtReady = async () => { for (let i = 0; i < 100 && !node._dht.routingTable.size; i++) await sleep(50) }
  switch (command) {
    case 'dial': return {}
    case 'ping': {
      const rtt = []
      for (let i = 0; i < Number(args[0] || 3); i++) rtt.push(await node.ping(conn.remotePeer))
      return { rtt_ms: rtt }
    }
    case 'identify': return identify(conn)
    case 'echo': return echo(conn, Number(args[0] || 1024))
    case 'put': await dhtReady(); await node.contentRouting.put(Buffer.from(args[0]), Buffer.from(args[1]), { minPeers: 1 }); return {}
    case 'get': {
      await dhtReady()
      const r = await node._dht.getMany(Buffer.from(args[0]), 16)
      const remote = r.find(x => x.from.equals(conn.remotePeer))
      if (!remote) throw new Error('the remote peer returned no record')
      return { value: text(remote.val) }
    }
    case 'provide': { // this version's sender waits until the remote closes the ADD_PROVIDER stream
      await dhtReady()
      const remoteClosed = await Promise.race([node.contentRouting.provide(new CID(args[0])).then(() => true), sleep(5000).then(() => false)])
      return { remoteClosed }
    }
    case 'find-providers': {
      await dhtReady()
      const providers = []
      for await (const p of node._dht.findProviders(new CID(args[0]), { timeout: 5000 })) providers.push({ id: p.id.toB58String(), addrs: (p.multiaddrs || []).map(String) })
      return { providers }
    }
    case 'find-peer': {
      await dhtReady()
      const p = await node.peerRouting.findPeer(PeerId.createFromB58String(args[0]), { timeout: 5000 })
      return { id: p.id.toB58String(), addrs: (p.multiaddrs || []).map(String) }
    }
    case 'publish': {
      node.pubsub.subscribe(args[0])
      for (let i = 0; i < 100 && !node.pubsub.getSubscribers(args[0]).length; i++) await sleep(50)
      await sleep(1500) // one gossipsub heartbeat: GRAFT before publish
      await node.pubsub.publish(args[0], Buffer.from(args[1]))
      await sleep(500)
      return { subscribers: node.pubsub.getSubscribers(args[0]).length }
    }
    default: throw new Error('unknown command ' + command)
  }
}

async function main () {
  const { values: o, positionals: [command, ...rest] } = parseArgs({
    allowPositionals: true,
    options: {
      listen: { type: 'string' },
      security: { type: 'string', default: 'secio,noise' },
      muxer: { type: 'string', default: 'mplex' },
      key: { type: 'string', default: 'ed25519' },
      pubsub: { type: 'string', default: 'gossipsub' },
      topic: { type: 'string' }
    }
  })
  if (command === 'listen' || command === 'provide') o.listen = o.listen || '/ip4/127.0.0.1/tcp/0'
  const node = await makeNode(o)
  try {
    if (command === 'listen') await listen(node, o)
    else out({ ok: true, command, ...await dialer(node, command, rest, o) })
  } catch (e) {
    out({ ok: false, command, error: e.stack || String(e) })
    process.exitCode = 1
  }
  await Promise.race([node.stop(), sleep(2000)])
  process.exit()
}
main()
