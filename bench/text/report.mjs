// Prints "name MB/s", from the median of nine runs after three to warm up.
export function report(name, corpus, work) {
  const times = [];
  for (let i = 0; i < 12; i++) {
    const start = process.hrtime.bigint();
    work(corpus);
    times.push(Number(process.hrtime.bigint() - start) / 1e9);
  }
  const median = times.slice(3).sort((a, b) => a - b)[4];
  console.log(name, (Buffer.byteLength(corpus) / 1e6 / median).toFixed(1));
}
