// A session of @stoqey/ib with a gateway on the given port: `NODE_PATH=.../node_modules node journey.js PORT`. Exits 0.
"use strict";

const assert = require("node:assert/strict");
const { IBApi, EventName } = require("@stoqey/ib");

const ACCOUNT = "DU1000001";
const LARGE = 3_000_000; // shares, more than many minutes' volume budgets
const STOCK = { symbol: "AAA", secType: "STK", exchange: "SMART", currency: "USD" };
const BID = 1;
const ASK = 2;
const LAST = 4;
const LIMIT_MS = 15_000;
const EXPECTED_ERRORS = [162, 200, 202]; // 162 answers the cancel of a history that is kept up to date

const port = Number(process.argv[2]);
const cents = (price) => Math.round(price * 100) / 100;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Client {
  // `heard` are the events as [name, arguments], oldest first.
  constructor(clientId) {
    this.heard = [];
    this.api = new IBApi({ host: "127.0.0.1", port, clientId });
    for (const name of Object.values(EventName)) {
      if (["all", "result", "received", "sent"].includes(name)) continue;
      this.api.on(name, (...args) => this.heard.push([name, args]));
    }
    this.api.connect(clientId);
  }

  told(name, first) {
    return this.heard
      .filter(([known, args]) => known === name && (first === undefined || args[0] === first))
      .map(([, args]) => args);
  }

  // [code, reqId] of what the gateway or the client itself complained about
  errors() {
    return this.told("error").map(([error, code, reqId]) => [code, reqId, error.message]);
  }

  async wait(found, what) {
    const end = Date.now() + LIMIT_MS;
    while (!found()) {
      if (Date.now() > end) {
        const tail = this.heard.filter(([name]) => !name.startsWith("tick")).slice(-12);
        throw new Error(`${what}: not in time; heard last ${JSON.stringify(tail)}; errors ${this.errors()}`);
      }
      await sleep(10);
    }
  }

  async answer(name, first) {
    await this.wait(() => this.told(name, first).length > 0, `${name} ${first ?? ""}`);
    return this.told(name, first)[0];
  }

  status(orderId) {
    const last = this.told("orderStatus", orderId).at(-1);
    return last === undefined ? undefined : last.slice(1, 4);
  }

  async reaches(orderId, ...status) {
    const text = JSON.stringify(status);
    await this.wait(() => JSON.stringify(this.status(orderId)) === text, `order ${orderId} ${text}`);
  }

  async refused(code, id) {
    await this.wait(() => this.errors().some(([known, of]) => known === code && of === id), `error ${code} of ${id}`);
  }

  async finish() {
    this.api.disconnect();
    await this.answer("disconnected");
  }
}

const order = (action, totalQuantity, orderType, more) => ({ action, totalQuantity, orderType, transmit: true, ...more });

async function contracts(client) {
  assert.deepEqual(await client.answer("managedAccounts"), [ACCOUNT]);
  client.api.reqContractDetails(1, STOCK);
  const [, details] = await client.answer("contractDetails", 1);
  await client.answer("contractDetailsEnd", 1);
  assert.equal(details.contract.symbol, "AAA");
  assert.equal(details.minTick, 0.01);
  client.api.reqMatchingSymbols(2, "AA");
  const [, samples] = await client.answer("symbolSamples", 2);
  assert.deepEqual(samples.map((row) => row.contract.symbol), ["AAA"]);
  client.api.reqCurrentTime();
  await client.answer("currentTime");
  client.api.reqContractDetails(3, { ...STOCK, symbol: "NONE" });
  await client.refused(200, 3);
  return details.contract.conId;
}

async function history(client) {
  const bars = (reqId) => client.told("historicalData", reqId).filter(([, when]) => !when.startsWith("finished"));
  const finished = (reqId) =>
    client.wait(() => client.told("historicalData", reqId).some(([, when]) => when.startsWith("finished")), "bars");
  client.api.reqHistoricalData(10, STOCK, "", "30 D", "1 day", "TRADES", 1, 1, false);
  await finished(10);
  assert.ok(bars(10).length >= 30);
  client.api.reqHistoricalData(11, STOCK, "", "1800 S", "1 min", "TRADES", 1, 2, true);
  await finished(11);
  assert.ok(bars(11).every(([, , , high, low, close]) => low <= close && close <= high));
  const updated = () => new Set(client.told("historicalDataUpdate", 11).map(([, when]) => when));
  await client.wait(() => updated().size >= 2, "updates of two minutes");
  client.api.cancelHistoricalData(11);
}

async function stream(client) {
  const prices = () => Object.fromEntries(client.told("tickPrice", 20).map(([, kind, price]) => [kind, price]));
  client.api.reqMktData(20, STOCK, "233", false, false);
  await client.wait(() => [BID, ASK, LAST].every((kind) => prices()[kind] > 0), "quotes");
  assert.ok(prices()[BID] < prices()[ASK]);
  client.api.reqRealTimeBars(21, STOCK, 5, "TRADES", true);
  await client.wait(() => client.told("realtimeBar", 21).length >= 3, "three real-time bars");
  const times = client.told("realtimeBar", 21).map(([, when]) => when);
  assert.ok(times.every((when, at) => when % 5 === 0 && (at === 0 || when - times[at - 1] === 5)), `${times}`);
  client.api.cancelRealTimeBars(21);
  client.api.reqTickByTickData(22, STOCK, "BidAsk", 0, false);
  await client.answer("tickByTickBidAsk", 22);
  client.api.cancelTickByTickData(22);
  client.api.reqMktData(23, STOCK, "", true, false);
  await client.answer("tickSnapshotEnd", 23);
  client.api.cancelMktData(20);
  return prices();
}

async function bracket(client, firstId, ask) {
  const children = { parentId: firstId, tif: "GTC" };
  const entry = { lmtPrice: cents(ask * 1.01), orderRef: "entry", transmit: false };
  client.api.placeOrder(firstId, STOCK, order("BUY", 100, "LMT", entry));
  const target = { lmtPrice: cents(ask * 1.5), transmit: false, ...children };
  client.api.placeOrder(firstId + 1, STOCK, order("SELL", 100, "LMT", target));
  client.api.placeOrder(firstId + 2, STOCK, order("SELL", 100, "STP", { auxPrice: cents(ask * 0.5), ...children }));
  await client.reaches(firstId, "Filled", 100, 0);
  await client.reaches(firstId + 1, "Submitted", 0, 100);
  await client.reaches(firstId + 2, "PreSubmitted", 0, 100);
  const [[, , execution]] = client.told("execDetails").filter(([, , known]) => known.orderId === firstId);
  assert.deepEqual([execution.side, execution.shares, execution.orderRef], ["BOT", 100, "entry"]);
  const charged = () => client.told("commissionReport").some(([report]) => report.execId === execution.execId);
  await client.wait(charged, "the commission");
}

async function partialFill(client, orderId, bid, ask) {
  client.api.placeOrder(orderId, STOCK, order("BUY", LARGE, "LMT", { lmtPrice: cents(ask * 1.02) }));
  await client.wait(() => client.status(orderId)?.[1] > 0, "a partial fill");
  const lower = cents(bid * 0.5);
  client.api.placeOrder(orderId, STOCK, order("BUY", LARGE, "LMT", { lmtPrice: lower }));
  const shown = () => client.told("openOrder", orderId).at(-1)[2].lmtPrice;
  await client.wait(() => shown() === lower, "the modified order is told");
  const filled = client.status(orderId)[1];
  assert.ok(filled < LARGE);
  await sleep(1000);
  await client.reaches(orderId, "Submitted", filled, LARGE - filled);
  client.api.cancelOrder(orderId);
  await client.reaches(orderId, "Cancelled", filled, LARGE - filled);
  await client.refused(202, orderId);
  return filled;
}

async function account(client, conId, shares) {
  client.api.reqPositions();
  await client.answer("positionEnd");
  const [name, contract, held] = client.told("position").at(-1);
  assert.deepEqual([name, contract.symbol, held], [ACCOUNT, "AAA", shares]);
  client.api.reqAccountUpdates(true, ACCOUNT);
  await client.answer("accountDownloadEnd");
  const values = client.told("updateAccountValue").filter(([key, , currency]) => key === "NetLiquidation" && currency);
  assert.ok(Number(values[0][1]) > 1e8);
  assert.equal(client.told("updatePortfolio").at(-1)[1], shares);
  client.api.reqAccountUpdates(false, ACCOUNT);
  client.api.reqAccountSummary(30, "All", "NetLiquidation,BuyingPower");
  await client.answer("accountSummaryEnd", 30);
  assert.equal(client.told("accountSummary", 30).length, 2);
  client.api.cancelAccountSummary(30);
  client.api.reqPnL(31, ACCOUNT, "");
  await client.answer("pnl", 31);
  client.api.reqPnLSingle(32, ACCOUNT, "", conId);
  assert.equal((await client.answer("pnlSingle", 32))[1], shares);
  client.api.cancelPnL(31);
  client.api.cancelPnLSingle(32);
}

async function secondClient(client, stopId) {
  const other = new Client(2);
  await other.answer("nextValidId");
  other.api.reqAllOpenOrders();
  await other.answer("openOrderEnd");
  assert.ok(other.told("openOrder", stopId).length > 0);
  other.api.cancelOrder(stopId);
  await other.refused(10147, stopId);
  assert.deepEqual(client.status(stopId), ["PreSubmitted", 0, 100]);
  const loser = new Client(2);
  await loser.wait(() => loser.told("info").some(([, code]) => code === 326), "client id in use"); // no error to it
  await loser.answer("disconnected");
  other.api.reqIds();
  await other.wait(() => other.told("nextValidId").length === 2, "the answer to reqIds");
  await other.finish();
}

async function reconnected(firstId, largeId, bought) {
  const client = new Client(1);
  assert.ok((await client.answer("nextValidId"))[0] > largeId);
  client.api.reqExecutions(40, {});
  await client.answer("execDetailsEnd", 40);
  const executions = client.told("execDetails", 40).map(([, , execution]) => execution);
  assert.equal(executions.reduce((sum, execution) => sum + execution.shares, 0), bought);
  client.api.reqOpenOrders();
  await client.answer("openOrderEnd");
  const open = new Set(client.told("openOrder").map(([orderId]) => orderId));
  assert.deepEqual([...open].sort(), [firstId + 1, firstId + 2]);
  // no reqCompletedOrders: this client leaves out faProfile at all versions below 177 and reads the rest shifted
  client.api.reqGlobalCancel();
  for (const orderId of open) await client.wait(() => client.status(orderId)?.[0] === "Cancelled", "global cancel");
  client.api.placeOrder(largeId + 1, STOCK, order("SELL", 100, "MKT", {}));
  await client.reaches(largeId + 1, "Filled", 100, 0);
  await client.finish();
}

async function main() {
  const client = new Client(1);
  const [firstId] = await client.answer("nextValidId");
  assert.equal((await client.answer("server"))[0], 176);
  const conId = await contracts(client);
  await history(client);
  const prices = await stream(client);
  await bracket(client, firstId, prices[ASK]);
  const bought = 100 + (await partialFill(client, firstId + 3, prices[BID], prices[ASK]));
  await account(client, conId, bought);
  await secondClient(client, firstId + 2);
  const codes = [...new Set(client.errors().map(([code]) => code))].sort((one, other) => one - other);
  assert.deepEqual(codes, EXPECTED_ERRORS, JSON.stringify(client.errors()));
  await client.finish();
  await reconnected(firstId, firstId + 3, bought);
  console.log(`@stoqey/ib: ${bought} bought`);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
