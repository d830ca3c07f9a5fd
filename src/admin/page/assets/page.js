// Adds to a page that is complete without it: live parts, copy buttons, marks of unsaved changes.
"use strict";
(() => {
  const stale = document.getElementById("stale");

  // On a phone the menu scrolls: the page that is open is in view.
  document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  // Live parts: the server sends the whole page again when it differs.
  const isFrozen = (part) => part.contains(document.activeElement) && !document.activeElement.id
    || part.hasAttribute("data-freeze") && part.matches(":hover")
    || part.querySelector("input:checked") !== null;
  const replace = (part, next) => {
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    const open = [...part.querySelectorAll("details[open][id]")].map((details) => details.id);
    part.innerHTML = next.innerHTML;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    prepare(part);
  };
  // Of each part, what the server sent.
  const shown = new Map([...document.querySelectorAll("[data-live][id]")].map((part) => [part, part.innerHTML]));
  // Returns whether all that is new is shown.
  const update = (next) => {
    let isWhole = true;
    document.title = next.title;
    for (const [part, before] of shown) {
      const newer = next.getElementById(part.id);
      if (!newer || newer.innerHTML === before) continue;
      if (isFrozen(part)) {
        isWhole = false;
      } else {
        shown.set(part, newer.innerHTML);
        replace(part, newer);
      }
    }
    return isWhole;
  };
  // What is aimed at neither moves nor goes: an update waits while a button or key is down, and until the pointer rests.
  const [restMs, downMs] = [300, 10000];
  let [latest, heldUntil] = [null, 0];
  const hold = (ms) => { heldUntil = performance.now() + ms; };
  const updateAtRest = () => {
    if (latest !== null && performance.now() >= heldUntil && update(latest)) latest = null;
  };
  if (document.querySelector("main [data-live]")) {
    const source = new EventSource(location.href);
    source.addEventListener("page", (event) => {
      stale.hidden = true;
      latest = new DOMParser().parseFromString(event.data, "text/html");
      updateAtRest();
    });
    source.onerror = () => { stale.hidden = false; };
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
    for (const kind of ["pointermove", "pointerdown", "pointerup", "pointercancel"]) {
      addEventListener(kind, (event) => hold(kind !== "pointercancel" && event.buttons ? downMs : restMs));
    }
    addEventListener("keydown", () => hold(downMs));
    for (const kind of ["keyup", "blur"]) addEventListener(kind, () => hold(0));
    setInterval(updateAtRest, restMs);
  }

  // The tail: records are put on top as they come, and held while it is paused or the pointer is on the list.
  const tail = document.querySelector("[data-tail]");
  if (tail) {
    const [pause, held, missed] = ["pause", "held", "missed"].map((id) => document.getElementById(id));
    const [pauseText, rowsMax] = [pause.textContent, 200];
    let [isPaused, waiting] = [false, []];
    const flush = () => {
      if (!isPaused && !tail.matches(":hover") && waiting.length) {
        tail.insertAdjacentHTML("afterbegin", waiting.reverse().join(""));
        waiting = [];
        while (tail.rows.length > rowsMax) tail.lastElementChild.remove();
        document.getElementById("no-records")?.remove();
      }
      held.textContent = waiting.length ? `${waiting.length} ${held.dataset.held}` : "";
    };
    pause.hidden = false;
    document.getElementById("freezes").hidden = false;
    document.getElementById("collect").hidden = true;
    pause.addEventListener("click", () => {
      isPaused = !isPaused;
      pause.textContent = isPaused ? pause.dataset.resume : pauseText;
      flush();
    });
    const source = new EventSource(location.href);
    source.addEventListener("record", (event) => {
      waiting.push(event.data);
      if (waiting.length > rowsMax) waiting.shift();
    });
    source.addEventListener("missed", (event) => { missed.textContent = event.data; missed.hidden = false; });
    source.onopen = () => { stale.hidden = true; };
    source.onerror = () => { stale.hidden = false; };
    setInterval(flush, 250);
    addEventListener("pagehide", () => source.close());
  }

  // What was done is said once: not again when the page is loaded again.
  const address = new URL(location.href);
  if (address.searchParams.has("done")) {
    address.searchParams.delete("done");
    address.searchParams.delete("count");
    history.replaceState(null, "", address);
  }

  // Times: UTC as the server sends them, or local time. Fields for times follow, and are sent in UTC.
  const zone = document.getElementById("zone");
  const two = (number) => String(number).padStart(2, "0");
  const inZone = (at, isLocal) => {
    if (!isLocal) return at.toISOString().slice(0, 19);
    const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
    return `${day}T${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
  };
  const isLocal = () => localStorage.getItem("times") === "local";
  const showTimes = (root) => {
    const [from, to] = isLocal() ? ["(UTC)", zone.dataset.mark] : [zone.dataset.mark, "(UTC)"];
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!isNaN(at)) time.textContent = inZone(at, isLocal()).replace("T", " ") + (isLocal() ? "" : time.dataset.utc || "");
    }
    for (const name of root.querySelectorAll("th, dt, label")) {
      if (!name.children.length) name.textContent = name.textContent.replace(from, to);
    }
    for (const cell of root.querySelectorAll("td[data-label]")) {
      cell.dataset.label = cell.dataset.label.replace(from, to);
    }
  };
  const showFields = (wasLocal) => {
    for (const field of document.querySelectorAll("input[data-utc]")) {
      const at = new Date(wasLocal ? field.value : `${field.value}Z`);
      if (!isNaN(at)) field.value = inZone(at, isLocal());
    }
  };
  const nameZone = () => { zone.textContent = isLocal() ? zone.dataset.utc : zone.dataset.local; };
  if (zone) {
    zone.hidden = false;
    nameZone();
    if (isLocal()) showFields(false);
    zone.addEventListener("click", () => {
      const wasLocal = isLocal();
      localStorage.setItem("times", wasLocal ? "utc" : "local");
      nameZone();
      showTimes(document);
      showFields(wasLocal);
    });
    document.addEventListener("formdata", (event) => {
      for (const field of event.target.querySelectorAll("input[data-utc][name]")) {
        if (!field.value) event.formData.delete(field.name);
        else if (isLocal()) event.formData.set(field.name, `${inZone(new Date(field.value), false)}Z`);
      }
    });
  }

  const addCopyButton = (box) => {
    const { copy, copied } = document.body.dataset;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = copy;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(box.querySelector("pre").textContent);
      button.textContent = copied;
      setTimeout(() => { button.textContent = copy; }, 1500);
    });
    box.append(button);
  };
  const prepare = (root) => {
    if (zone && isLocal()) showTimes(root);
    if (navigator.clipboard) root.querySelectorAll(".copy").forEach(addCopyButton);
    for (const row of root.querySelectorAll("[data-add-row]")) row.hidden = false;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-add-row]");
    if (!button) return;
    const template = document.getElementById(button.dataset.addRow);
    const row = template.content.firstElementChild.cloneNode(true);
    template.before(row);
    row.querySelector("input")?.focus();
  });

  // Unsaved changes are marked, and a page that has some asks before it is left.
  const changed = new Set();
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-watch]");
    if (!form) return;
    changed.add(form);
    form.querySelector(".unsaved")?.removeAttribute("hidden");
  });
  document.addEventListener("submit", (event) => changed.delete(event.target));
  addEventListener("beforeunload", (event) => { if (changed.size) event.preventDefault(); });

  prepare(document);
})();
