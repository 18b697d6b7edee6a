// @ts-check
/** The figures, once a second, for as long as the page is open. */

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;
const SILENCE_MS = 10_000;

/**
 * @param {(figures: any) => void} onFigures
 * @param {(connected: boolean) => void} onState
 * @param {boolean} [attended] somebody sits at the page, and need not stay signed in when he leaves
 * @returns {() => void} ends it
 */
export function follow(onFigures, onState, attended = false) {
  let pause = FIRST_PAUSE_MS;
  let wanted = true;
  let retry = 0;
  let silence = 0;
  /** @type {WebSocket} */
  let socket;
  const connect = () => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const opened = new WebSocket(`${scheme}://${location.host}/api/v1/board${attended ? "?attended=true" : ""}`);
    socket = opened;
    let over = false;
    const lost = () => {
      if (over || !wanted) return;
      over = true;
      clearTimeout(silence);
      onState(false);
      opened.close();
      retry = window.setTimeout(connect, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    };
    opened.onmessage = ({ data }) => {
      clearTimeout(silence);
      silence = window.setTimeout(lost, SILENCE_MS);
      pause = FIRST_PAUSE_MS;
      onState(true);
      onFigures(JSON.parse(data));
    };
    opened.onclose = lost;
  };
  connect();
  return () => {
    wanted = false;
    clearTimeout(retry);
    clearTimeout(silence);
    socket.close();
  };
}
