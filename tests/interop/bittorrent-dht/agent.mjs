// bittorrent-dht behind the agent protocol of tests/interop/README.md.
//
//     agent.mjs [--nodes N] [--bootstrap HOST:PORT]... [--lifetime SECONDS]
//
// N nodes on 127.0.0.1, meshed through the first one, which also carries out the requests. The module has no signature
// check of its own, so Node's ed25519 is handed to it; without one it refuses mutable items.

import crypto from 'node:crypto'
import fs from 'node:fs'
import process from 'node:process'
import readline from 'node:readline'

import DHT from 'bittorrent-dht'

const manifest = new URL('node_modules/bittorrent-dht/package.json', import.meta.url)
const { version } = JSON.parse(fs.readFileSync(manifest))

// DER frames around raw ed25519 keys: Node takes no raw ones.
const PRIVATE = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC = Buffer.from('302a300506032b6570032100', 'hex')
const hex = text => Buffer.from(text, 'hex')

function privateKey (seed) {
  return crypto.createPrivateKey({ key: Buffer.concat([PRIVATE, seed]), format: 'der', type: 'pkcs8' })
}

function publicKey (seed) {
  return crypto.createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' }).subarray(-32)
}

function verify (signature, message, key) {
  try {
    const spki = crypto.createPublicKey({ key: Buffer.concat([PUBLIC, Buffer.from(key)]), format: 'der', type: 'spki' })
    return crypto.verify(null, Buffer.from(message), spki, Buffer.from(signature))
  } catch {
    return false // not a point on the curve
  }
}

const options = { nodes: 1, bootstrap: [], lifetime: 600 }
for (let i = 2; i < process.argv.length; i += 2) {
  const [name, value] = [process.argv[i].replace(/^--/, ''), process.argv[i + 1]]
  if (name === 'bootstrap') options.bootstrap.push(value)
  else options[name] = Number(value)
}
setTimeout(() => process.exit(3), options.lifetime * 1000).unref()

const nodes = []
for (let i = 0; i < options.nodes; i++) {
  const bootstrap = [...options.bootstrap]
  if (i > 0) bootstrap.push('127.0.0.1:' + nodes[0].address().port)
  const dht = new DHT({ bootstrap: bootstrap.length > 0 ? bootstrap : false, verify, timeout: 1000 })
  dht.on('error', error => console.error(error.message))
  dht.on('warning', () => {})
  await new Promise(resolve => dht.listen(0, '127.0.0.1', resolve))
  nodes.push(dht)
}
const dht = nodes[0]

// A callback-style call as a promise: resolves to the arguments after the error.
function call (start, seconds) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer in time')), seconds * 1000)
    start((error, ...results) => {
      clearTimeout(timer)
      if (error) reject(error)
      else resolve(results)
    })
  })
}

function endpoint (address) {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) }
}

async function put (item) {
  const [target, stored] = await call(done => dht.put(item, done), 15)
  return { target: target.toString('hex'), stored }
}

// What this very node put or holds would be returned without a question on the wire.
async function get (target, extra) {
  dht._values.remove(target.toString('hex'))
  const [item] = await call(done => dht.get(target, { cache: false, ...extra }, done), 15)
  if (!item) throw new Error('nobody has it')
  return { value: Buffer.from(item.v).toString('hex'), seq: item.seq }
}

const operations = {
  async join ({ least = 1, seconds = 20 }) {
    const deadline = Date.now() + seconds * 1000
    for (;;) {
      const sizes = nodes.map(node => (node.ready ? node.nodes.toArray().length : -1))
      if (Math.min(...sizes) >= least) return { nodes: sizes }
      if (Date.now() > deadline) throw new Error('tables hold ' + sizes)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  },
  async ping ({ address }) {
    const [pong] = await call(done => dht._sendPing(endpoint(address), done), 5)
    return { id: pong.id.toString('hex') }
  },
  async find_node ({ address, target }) {
    const query = { q: 'find_node', a: { id: dht.nodeId, target: hex(target) } }
    const [reply] = await call(done => dht._rpc.query(endpoint(address), query, done), 5)
    return { nodes: reply.r.nodes.length / 26 }
  },
  async announce ({ info_hash: infoHash, port }) {
    const [stored] = await call(done => dht.announce(hex(infoHash), port, done), 15)
    return { stored }
  },
  async peers ({ info_hash: infoHash }) {
    const peers = new Set()
    const collect = (peer, hash, from) => {
      if (from && hash.toString('hex') === infoHash) peers.add(peer.host + ':' + peer.port)
    }
    dht.on('peer', collect)
    try {
      await call(done => dht.lookup(hex(infoHash), done), 15)
    } finally {
      dht.off('peer', collect)
    }
    return { peers: [...peers] }
  },
  put_immutable ({ value }) {
    return put({ v: hex(value) })
  },
  get_immutable ({ target }) {
    return get(hex(target))
  },
  async put_mutable ({ seed, value, salt = '', seq, cas }) {
    const key = privateKey(hex(seed))
    const k = publicKey(hex(seed))
    const item = { k, v: hex(value), seq, sign: message => crypto.sign(null, Buffer.from(message), key) }
    if (salt !== '') item.salt = hex(salt)
    if (cas !== undefined) item.cas = cas
    return { key: k.toString('hex'), seq, ...(await put(item)) }
  },
  get_mutable ({ key, salt = '' }) {
    const target = crypto.createHash('sha1').update(hex(key)).update(hex(salt)).digest()
    return get(target, salt === '' ? {} : { salt: hex(salt) })
  }
}

function say (message) {
  process.stdout.write(JSON.stringify(message) + '\n')
}

say({
  implementation: 'bittorrent-dht ' + version,
  addresses: nodes.map(node => '127.0.0.1:' + node.address().port)
})
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { op, ...request } = JSON.parse(line)
  try {
    if (!(op in operations)) throw new Error('bittorrent-dht has no ' + op)
    say({ ok: true, ...(await operations[op](request)) })
  } catch (error) {
    say({ ok: false, error: error.message, code: error.code })
  }
}
process.exit(0)
