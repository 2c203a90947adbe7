// Sends readings until SIGINT or SIGTERM; then it waits until all are stored.
//
//   node send.mjs [URL [NAME [MILLISECONDS BETWEEN READINGS]]]
//
// INGEST_TOKEN is the token, where the server asks for one.
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "./ingest.mjs";

const [url = "ws://127.0.0.1:7001/ws", name = "demo-node", pause = 100] = process.argv.slice(2);

const ids = ["boiler", "boiler", "pump", "boiler", "boiler", "valve"];
let refused = 0;
const client = new Client(url, name, {
  token: process.env.INGEST_TOKEN,
  refused: (code, error, message) => {
    refused++;
    console.error(`refused: ${code}: ${error}: ${JSON.stringify(message)}`);
  },
});

let stop = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => { stop = true; }); // a second one ends it at once
}
let sent = 0;
for (; !stop; sent++) {
  await client.send(ids[sent % ids.length], { reading: sent });
  await sleep(Number(pause));
}
await client.close();
console.log(`${sent} sent, ${refused} refused, the others stored`);
process.exitCode = refused ? 1 : 0;
