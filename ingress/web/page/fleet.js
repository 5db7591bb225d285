// Media workers, speech workers and their slots, per node, and who waits for them.

import { find, make } from "./element.js";
import { milliseconds, percent, whole, NOTHING } from "./formats.js";
import { Table } from "./table.js";
import { say } from "./words.js";

export class Fleet {
  constructor() {
    const place = (title) => {
      const part = make("div", {}, make("h3", { textContent: title }));
      find("fleet-body").append(part);
      return part;
    };
    this.pools = new Table(place(say("speech_workers")), {
      caption: say("speech_workers"),
      empty: say("no_speech_workers"),
      key: (pool) => pool.kind,
      columns: [
        { title: say("work"), text: (pool) => say(pool.kind) },
        { title: say("ready_workers"), isNumber: true, text: (pool) => say("of", { part: whole(pool.ready), all: whole(pool.planned) }), tone: short },
        { title: say("busy_slots"), isNumber: true, text: (pool) => say("of", { part: whole(pool.busy), all: whole(pool.slots) }) },
        { title: say("waiting_work"), isNumber: true, text: (pool) => whole(pool.waiting), tone: (pool) => (pool.waiting ? "warn" : "") },
        { title: say("lease_wait"), isNumber: true, text: (pool) => (pool.lease_wait.count ? milliseconds(pool.lease_wait.p95_ms) : NOTHING) },
      ],
    });
    this.groups = new Table(place(say("nodes")), {
      caption: say("nodes"),
      empty: say("no_speech_workers"),
      key: (group) => `${group.node} ${group.kind} ${group.index}`,
      columns: [
        { title: say("node"), text: (group) => group.node },
        { title: say("work"), text: (group) => say(group.kind) },
        { title: say("ready_workers"), isNumber: true, text: (group) => say("of", { part: whole(group.ready), all: whole(group.planned) }), tone: short },
        { title: say("busy_slots"), isNumber: true, text: (group) => say("of", { part: whole(group.busy), all: whole(group.slots) }) },
        { title: say("why"), isLong: true, text: (group) => group.reason },
      ],
    });
    this.media = new Table(place(say("media_workers")), {
      caption: say("media_workers"),
      empty: say("no_media_workers"),
      key: (worker) => worker.name,
      columns: [
        { title: say("name"), text: (worker) => worker.name },
        { title: say("calls"), isNumber: true, text: (worker) => whole(worker.health?.calls) },
        { title: say("lateness"), isNumber: true, text: (worker) => milliseconds(worker.health?.lateness.p99_ms) },
        { title: say("lateness_maximum"), isNumber: true, text: (worker) => milliseconds(worker.health?.lateness.maximum_ms) },
        { title: say("frame"), isNumber: true, text: (worker) => (worker.health ? `${worker.health.frame_ms} ms` : NOTHING) },
      ],
    });
    this.serversPlace = place(say("servers"));
    this.servers = new Table(this.serversPlace, {
      caption: say("servers"),
      empty: say("no_media_workers"),
      key: (server) => server.ingress_id,
      columns: [
        { title: say("name"), text: (server) => server.ingress_id },
        { title: say("calls"), isNumber: true, text: (server) => whole(server.sessions) },
        { title: say("plot_level"), text: (server) => say(`level_${server.level}`), tone: (server) => (server.level ? "warn" : "") },
        { title: say("lateness"), isNumber: true, text: (server) => milliseconds(server.signals.lateness_p99_ms) },
        { title: say("cpu"), isNumber: true, text: (server) => percent(server.signals.cpu_percent) },
      ],
    });
  }

  show(status) {
    const fleet = status.fleet;
    const servers = fleet?.ingress ?? [];
    this.serversPlace.hidden = servers.length < 2; // one is this server
    this.servers.update(servers);
    this.media.update(status.media_workers);
    this.pools.update(fleet ? ["transcription", "synthesis"].map((kind) => ({ kind, ...fleet[kind] })) : []);
    this.groups.update((fleet?.nodes ?? []).flatMap((node) => node.groups.map((group, index) => ({
      ...group, index,
      node: nameOf(node),
    }))));
  }
}

function nameOf(node) {
  const name = node.address || node.node_id.slice(0, 12);
  return node.is_draining ? `${name}, ${say("draining_node")}` : name;
}

function short({ ready, planned }) {
  return ready < planned ? "warn" : "";
}
