// All words of the page, in English and Brazilian Portuguese.

const WORDS = {
  // key: [English, Portuguese]
  skip: ["Go to the calls", "Ir para as chamadas"],
  server: ["Server", "Servidor"],
  connecting: ["Connecting", "Conectando"],
  not_connected: ["Not connected to the server; trying again", "Sem conexão com o servidor; tentando de novo"],
  needs_token: ["This server needs its token", "Este servidor exige o token"],
  too_many_streams: ["The server has no place for one more page; trying again", "O servidor não tem lugar para mais uma página; tentando de novo"],
  ready: ["Ready", "Pronto"],
  ready_level: ["Ready; load: {level}", "Pronto; carga: {level}"],
  not_ready: ["Not ready", "Não está pronto"],
  gateway_away: ["The gateway is away; running calls go on", "O gateway não responde; as chamadas em curso continuam"],
  manager_away: ["Ready, but the manager does not answer", "Pronto, mas o gerente não responde"],
  level_0: ["normal", "normal"],
  level_1: ["busy", "ocupado"],
  level_2: ["loaded", "carregado"],
  level_3: ["full: new calls are refused", "cheio: novas chamadas são recusadas"],
  test_call: ["Test call", "Chamada de teste"],
  reload: ["Reload", "Recarregar"],
  drain: ["Drain", "Esvaziar"],
  token: ["Token", "Token"],
  calls_now: ["Calls now", "Chamadas agora"],
  calls_count: ["{count} calls", "{count} chamadas"],
  calls_shown: ["{shown} of {count} calls are shown", "{shown} de {count} chamadas visíveis"],
  filter: ["Filter", "Filtrar"],
  no_calls: ["No calls", "Nenhuma chamada"],
  load: ["Load", "Carga"],
  fleet: ["Workers", "Trabalhadores"],
  extensions: ["Extensions", "Ramais"],
  add: ["Add", "Adicionar"],
  last_hour: ["Last hour", "Última hora"],
  recent_calls: ["Recent calls", "Chamadas recentes"],
  call: ["Call", "Chamada"],
  extension: ["Extension", "Ramal"],
  caller: ["Caller", "Quem ligou"],
  activity: ["Activity", "Atividade"],
  since: ["Since", "Desde"],
  duration: ["Duration", "Duração"],
  turns: ["Turns", "Turnos"],
  last_answer: ["Last answer", "Última resposta"],
  lateness: ["Lateness p99", "Atraso p99"],
  underruns: ["Underruns", "Faltas de áudio"],
  hang_up: ["Hang up", "Desligar"],
  waiting: ["waiting", "esperando"],
  listening: ["listening", "escutando"],
  hearing: ["caller speaks", "cliente fala"],
  answering: ["answering", "respondendo"],
  speaking: ["speaking", "falando"],
  refused: ["refused", "recusada"],
};

export const LANGUAGE = navigator.language.toLowerCase().startsWith("pt") ? "pt-BR" : "en";
const COLUMN = LANGUAGE === "en" ? 0 : 1;

/** Return the words for a key, with `{name}` replaced. */
export function say(key, values = {}) {
  const words = WORDS[key]?.[COLUMN] ?? key;
  return words.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** Put the words of the browser's language into the document. */
export function translate(root = document) {
  document.documentElement.lang = LANGUAGE;
  for (const element of root.querySelectorAll("[data-word]")) element.textContent = say(element.dataset.word);
  for (const element of root.querySelectorAll("[data-label]")) element.ariaLabel = say(element.dataset.label);
}
