// Work for node.sh. Prints digests of what it made, and exits with 7.
'use strict';
const crypto = require('crypto');
const zlib = require('zlib');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

function numbers(seed) {
    let x = seed;
    return () => { x = (Math.imul(x, 1103515245) + 12345) >>> 0; return x >>> 8; };
}

const digest = (data) => crypto.createHash('sha256').update(data).digest('hex').slice(0, 24);

// Buffers lie outside the JavaScript heap: each is a block of malloc.
function buffers(seed) {
    const random = numbers(seed);
    const kept = new Map();
    for (let i = 0; i < 40000; i++) {
        const size = i % 500 === 0 ? 300000 : random() % 9000 + 1;
        kept.set(random() % 400, Buffer.allocUnsafeSlow(size).fill(i & 255));
    }
    const hash = crypto.createHash('sha256');
    for (const key of [...kept.keys()].sort((a, b) => a - b)) hash.update(kept.get(key));
    return hash.digest('hex').slice(0, 24);
}

function objects() {
    const random = numbers(3);
    const list = [];
    for (let i = 0; i < 60000; i++) list.push({ id: i, name: `item ${random() % 1000}`, tags: [i % 7, random() % 5] });
    const text = JSON.stringify(list);
    const again = JSON.parse(text).filter((item) => item.tags[0] !== 3);
    again.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id));
    return digest(JSON.stringify(again)) + ' ' + text.replace(/item (\d)/g, '$1 thing').length;
}

function packed() {
    let text = '';
    for (let i = 0; i < 30000; i++) text += `${i}:${i % 97} `;
    const levels = [1, 6, 9].map((level) => zlib.deflateSync(text, { level }));
    const brotli = zlib.brotliCompressSync(text, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } });
    const same = levels.every((z) => zlib.inflateSync(z).toString() === text) && zlib.brotliDecompressSync(brotli).toString() === text;
    return `${levels.map(digest).join(' ')} ${digest(brotli)} ${same}`;
}

if (!isMainThread) {
    parentPort.postMessage(buffers(workerData));
} else {
    console.log('buffers', buffers(1));
    console.log('objects', objects());
    console.log('packed', packed());
    const workers = [11, 12, 13].map((seed) => new Promise((resolve, reject) => {
        const worker = new Worker(__filename, { workerData: seed });
        worker.on('message', resolve);
        worker.on('error', reject);
    }));
    const pool = [1, 2, 3, 4].map((n) => new Promise((resolve) =>
        zlib.gzip(Buffer.alloc(2000000, `block ${n}`), (error, z) => resolve(error || zlib.gunzipSync(z).length))));
    Promise.all([...workers, ...pool]).then((results) => {
        console.log('workers', results.join(' '));
        process.exitCode = 7;
    });
}
