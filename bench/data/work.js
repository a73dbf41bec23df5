// Work for the node benchmark: objects and strings in the engine's heap, buffers and compression outside it.
'use strict';
const zlib = require('zlib');

let seed = 42;
function below(bound) {
  seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return (seed >>> 16) % bound;
}

let sum = 0;
const index = new Map();
for (let i = 0; i < 100000; i++) {
  const word = 'w'.repeat(below(30)) + below(20000);
  if (!index.has(word)) index.set(word, []);
  index.get(word).push(i);
}
for (const [word, positions] of index) sum += word.length * positions.length;
let live = [];
for (let i = 0; i < 20000; i++) {
  const buffer = Buffer.alloc(100 + below(20000), i & 255);
  live.push(buffer);
  if (live.length > 500) sum += live[below(500)][50];
  if (live.length > 1000) live = live.slice(500);
}
const text = JSON.stringify([...index]);
for (let i = 0; i < 20; i++) sum += zlib.inflateSync(zlib.deflateSync(text.slice(i * 1000, i * 1000 + 100000))).length;
console.log(sum);
