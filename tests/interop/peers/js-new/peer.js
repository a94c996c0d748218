#!/usr/bin/env node
// js-libp2p 3.3 (2026), behind the command line of ../../README.md.
import { createHash, randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { mplex } from '@libp2p/mplex'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { plaintext } from '@libp2p/plaintext'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

// libp2p 3 calls it, and node 20 does not have it.
Promise.withResolvers ??= function () {
  let functions
  const promise = new this((resolve, reject) => { functions = { resolve, reject } })
  return { promise, ...functions }
}

const ECHO = '/echo/1.0.0'
const TIME_LIMIT_MS = 20_000
const CHUNK_BYTES = 65_536

const SECURITY = { noise, tls, plaintext }
const MUXERS = { yamux, mplex }
const KEYS = { ed25519: ['Ed25519'], rsa: ['RSA', 2048], secp256k1: ['secp256k1'] }

const { values: options, positionals: [command, ...args] } = parseArgs({
  allowPositionals: true,
  options: {
    listen: { type: 'string', default: '/ip4/127.0.0.1/tcp/0' },
    security: { type: 'string', default: 'noise,tls' },
    muxer: { type: 'string', default: 'yamux,mplex' },
    key: { type: 'string', default: 'ed25519' }
  }
})

const say = (line) => console.log(JSON.stringify(line))
const sleep = (ms) => new Promise(resolve => setTimeout(resolve, ms))

/** What a list of names picks from a table, in the order of the list. */
const pick = (names, table) => names.split(',').map(name => table[name]())

async function makeNode () {
  const node = await createLibp2p({
    privateKey: await generateKeyPair(...KEYS[options.key]),
    addresses: { listen: command === 'listen' ? [options.listen] : [] },
    connectionManager: { inboundConnectionThreshold: Infinity }, // of each address, in a second
    transports: [tcp()],
    connectionEncrypters: pick(options.security, SECURITY),
    streamMuxers: pick(options.muxer, MUXERS),
    services: {
      identify: identify(),
      ping: ping({ maxInboundStreams: 32, maxOutboundStreams: 32 })
    }
  })
  await node.handle(ECHO, answerEcho)
  return node
}

async function answerEcho (stream) {
  try {
    for await (const chunk of stream) await send(stream, chunk)
    await stream.close()
  } catch (error) {
    say({ event: 'echo-error', error: String(error) })
  }
}

async function send (stream, chunk) {
  if (!stream.send(chunk)) await stream.onDrain()
}

async function listen (node) {
  node.addEventListener('connection:open', ({ detail }) => say(connected(detail)))
  node.addEventListener('connection:close', ({ detail }) => {
    say({ event: 'disconnected', peer: String(detail.remotePeer) })
  })
  for (const address of node.getMultiaddrs()) say({ event: 'listening', addr: String(address) })
  await new Promise(resolve => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
}

const connected = (connection) => ({
  event: 'connected',
  peer: String(connection.remotePeer),
  addr: String(connection.remoteAddr),
  encryption: connection.encryption,
  muxer: connection.multiplexer
})

async function ask (node, [address, argument]) {
  const signal = AbortSignal.timeout(TIME_LIMIT_MS)
  const identified = new Promise((resolve, reject) => {
    node.addEventListener('peer:identify', ({ detail }) => resolve(detail))
    signal.addEventListener('abort', () => reject(signal.reason))
  })
  const connection = await node.dial(multiaddr(address), { signal })
  say(connected(connection))
  switch (command) {
    case 'ping': return askPing(node, connection, Number(argument ?? 3), signal)
    case 'identify': return identifyResult(await identified)
    case 'echo': return askEcho(connection, Number(argument ?? 1024), signal)
    default: throw new Error(`unknown command ${command}`)
  }
}

async function askPing (node, connection, count, signal) {
  const roundTrips = []
  while (roundTrips.length < count) {
    roundTrips.push(await node.services.ping.ping(connection.remotePeer, { signal }))
  }
  return { rtt_ms: roundTrips }
}

const identifyResult = (identified) => ({
  peer: String(identified.peerId),
  protocolVersion: identified.protocolVersion,
  agentVersion: identified.agentVersion,
  listenAddrs: identified.listenAddrs.map(String),
  observedAddr: String(identified.observedAddr),
  protocols: identified.protocols
})

async function askEcho (connection, length, signal) {
  const stream = await connection.newStream(ECHO, { signal })
  const sent = randomBytes(length)
  const received = receive(stream)
  for (let start = 0; start < length; start += CHUNK_BYTES) {
    await send(stream, sent.subarray(start, start + CHUNK_BYTES))
  }
  await stream.close({ signal }) // only this side's half
  const { bytes, hash } = await received
  if (hash !== createHash('sha256').update(sent).digest('hex')) {
    throw new Error(`other bytes came back: ${bytes} of ${length}`)
  }
  return { bytes }
}

/** Reads a stream to its end. */
async function receive (stream) {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.byteLength
    hash.update(chunk.subarray())
  }
  return { bytes, hash: hash.digest('hex') }
}

const node = await makeNode()
try {
  if (command === 'listen') await listen(node)
  else say({ ok: true, command, ...await ask(node, args) })
} catch (error) {
  say({ ok: false, command, error: error.stack ?? String(error) })
  process.exitCode = 1
}
await Promise.race([node.stop(), sleep(2000)])
process.exit()
