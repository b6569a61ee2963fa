// SPDX-License-Identifier: MIT
//
// node client.js OPTIONS: one use of npm's `socks` or `socks-proxy-agent`.
// OPTIONS is JSON: `do` names a function below, the rest is its argument. What
// happens is told on stdout, a JSON object a line.
"use strict";

const dgram = require("dgram");
const https = require("https");
const { SocksClient } = require("socks");
const { SocksProxyAgent } = require("socks-proxy-agent");

const tell = (what) => console.log(JSON.stringify(what));
const failed = (error) => {
	tell({ error: error.message, code: error.code });
	process.exitCode = 1;
};

// Sends `data`, ends its side, and tells what comes back.
function talk(socket, data) {
	let answer = "";
	socket.on("data", (more) => { answer += more; });
	socket.on("end", () => tell({ answer }));
	socket.on("error", failed);
	socket.resume();
	socket.end(data);
}

async function connect({ proxy, destination, data }) {
	const { socket, remoteHost } = await SocksClient.createConnection(
		{ proxy, destination, command: "connect" });
	tell({ bound: remoteHost });
	talk(socket, data);
}

async function chain({ proxies, destination, data }) {
	const { socket } = await SocksClient.createConnectionChain(
		{ proxies, destination, command: "connect" });
	talk(socket, data);
}

function bind({ proxy, destination, data }) {
	const client = new SocksClient({ proxy, destination, command: "bind" });
	client.on("bound", ({ remoteHost }) => tell({ bound: remoteHost }));
	client.on("established", ({ socket, remoteHost }) => {
		tell({ peer: remoteHost });
		talk(socket, data);
	});
	client.on("error", failed);
	client.connect();
}

// A frame to each of `targets`, then as many answers. `stray` is a frame that
// must get none: it goes first.
function associate({ proxy, targets, stray }) {
	const udp = dgram.createSocket("udp4");
	const client = new SocksClient({ proxy, command: "associate",
		destination: { host: "0.0.0.0", port: 0 } });
	let left = targets.length;
	client.on("established", ({ socket, remoteHost: relay }) => {
		tell({ relay });
		const send = (frame) => udp.send(frame, relay.port, relay.host);
		if (stray)
			send(SocksClient.createUDPFrame({ frameNumber: 1,
				remoteHost: stray, data: Buffer.from("stray") }));
		for (const remoteHost of targets)
			send(SocksClient.createUDPFrame({ remoteHost,
				data: Buffer.from(`to ${remoteHost.port}`) }));
		udp.on("message", (frame, { port }) => {
			const { frameNumber, remoteHost, data } =
				SocksClient.parseUDPFrame(frame);
			tell({ from: remoteHost, data: data.toString(),
				frame: frameNumber, relay: port === relay.port });
			if (--left === 0) {
				udp.close();
				socket.end();
			}
		});
		socket.resume();
	});
	client.on("error", failed);
	client.connect();
}

// Requests one after the other by one agent, which keeps the tunnel.
async function agent({ url, targets, ca }) {
	const tunnel = new SocksProxyAgent(url, { keepAlive: true });
	const ports = new Set();
	for (const target of targets)
		await new Promise((next) => {
			const request = https.get(target, { agent: tunnel, ca }, (answer) => {
				let body = "";
				ports.add(answer.socket.localPort);
				answer.on("data", (more) => { body += more; });
				answer.on("end", () => { tell({ body }); next(); });
			});
			request.on("error", (error) => { failed(error); next(); });
		});
	tell({ tunnels: ports.size });
	tunnel.destroy();
}

const { do: what, ...options } = JSON.parse(process.argv[2]);
Promise.resolve({ connect, chain, bind, associate, agent }[what](options)).catch(failed);
