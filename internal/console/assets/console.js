// What the pages do beyond links and forms. Without it they all work, and stand still.
"use strict";

// Live: when the relay reports that something happened, the page is fetched again, and what is
// marked data-live in it replaces what is here. So only the server makes HTML.
(() => {
	const connection = document.getElementById("connection");
	const live = () => [...document.querySelectorAll("[data-live][id]")];
	const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
	const say = (text) => { if (connection.textContent !== text) connection.textContent = text; };
	const selecting = () => document.querySelector("[data-row] input:checked") !== null;
	let stream = null, wanted = false, running = false, pressed = 0;

	// What is being clicked stays until the click is complete.
	addEventListener("pointerdown", () => { pressed = Date.now(); }, true);
	for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { pressed = 0; }, true);

	// What has the focus is found again by its id, or by what it stands for.
	const pathOf = (e) => {
		if (e.id) return "#" + CSS.escape(e.id);
		if (e.matches("summary")) return `#${CSS.escape(e.parentElement.id)} > summary`;
		for (const name of ["href", "value", "data-all"]) {
			if (e.hasAttribute(name)) return `${e.localName}[${name}="${CSS.escape(e.getAttribute(name))}"]`;
		}
		return "";
	};

	const keep = (part) => {
		const focused = part.contains(document.activeElement) ? document.activeElement : null;
		const path = focused && pathOf(focused);
		const open = [...part.querySelectorAll("details[open][id]")].map((d) => d.id);
		const scrolled = [...part.querySelectorAll(".scroll[id]")].map((e) => [e.id, e.scrollLeft]);
		const current = part.querySelector("tr.current a")?.getAttribute("href");
		return (next) => {
			for (const id of open) next.querySelector("#" + CSS.escape(id))?.setAttribute("open", "");
			if (current) next.querySelector(`tr a[href="${CSS.escape(current)}"]`)?.closest("tr").classList.add("current");
			for (const [id, left] of scrolled) {
				const e = document.getElementById(id);
				if (e) e.scrollLeft = left;
			}
			if (path) next.querySelector(path)?.focus({ preventScroll: true });
		};
	};

	// A screen reader announces a text that changes within the same element.
	const replace = (part, next) => {
		if (part.innerHTML === next.innerHTML) return;
		const restore = keep(part);
		const said = new Map([...part.querySelectorAll("[data-announce][id]")].map((e) => [e.id, e]));
		for (const e of next.querySelectorAll("[data-announce][id]")) {
			const old = said.get(e.id);
			if (!old) continue;
			if (old.textContent !== e.textContent) old.textContent = e.textContent;
			e.replaceWith(old);
		}
		part.replaceChildren(...next.childNodes);
		restore(part);
		enhance(part);
	};

	// What is being selected must not leave the list.
	const show = (next) => {
		if (selecting()) {
			say("Paused while messages are selected.");
			return;
		}
		if (stream?.readyState === EventSource.OPEN) say("Live.");
		for (const part of live()) {
			const other = next.getElementById(part.id);
			if (other) replace(part, other);
		}
	};

	const refresh = async () => {
		wanted = true;
		if (running) return;
		running = true;
		while (wanted) {
			wanted = false;
			try {
				const response = await fetch(location.href, { headers: { "X-Refresh": "live" }, redirect: "manual" });
				if (response.type === "opaqueredirect") location.reload(); // the login has ended
				if (response.ok) {
					const next = new DOMParser().parseFromString(await response.text(), "text/html");
					while (Date.now() - pressed < 1000) await pause(50);
					show(next);
				}
			} catch { /* the stream says when the relay is back */ }
			await pause(1000);
		}
		running = false;
	};

	// A page that nobody sees has no stream: a browser has few connections for all of them.
	const disconnect = (why) => {
		stream?.close();
		stream = null;
		say(why);
	};
	const connect = () => {
		if (stream || document.hidden) return;
		stream = new EventSource(document.body.dataset.stream);
		stream.addEventListener("change", refresh);
		stream.onopen = () => {
			say("Live.");
			refresh(); // for what happened since the page was made
		};
		stream.onerror = () => {
			say("Not connected; reconnecting.");
			if (stream?.readyState === EventSource.CLOSED) stream = null; // it was answered, but not by a stream
		};
	};
	if (live().length > 0) {
		connect();
		document.addEventListener("visibilitychange", () => document.hidden ? disconnect("Paused.") : connect());
		addEventListener("pagehide", () => disconnect(""));
		addEventListener("pageshow", connect);
		setInterval(() => {
			if (document.hidden) return;
			connect();
			refresh(); // charts move on, also while nothing happens
		}, 15000);
	}
})();

// What needs a script is hidden until there is one.
function enhance(root) {
	for (const box of root.querySelectorAll("[data-all]")) {
		box.hidden = false;
		box.onchange = () => {
			for (const other of document.querySelectorAll("input[name=id]")) other.checked = box.checked;
		};
	}
	for (const button of root.querySelectorAll("[data-copy]")) {
		button.hidden = !navigator.clipboard;
		button.onclick = async () => {
			await navigator.clipboard.writeText(button.previousElementSibling.textContent);
			button.textContent = "Copied";
		};
	}
}
enhance(document);

// The keyboard. Keys do nothing while something is being typed.
(() => {
	let before = "";
	const rows = () => [...document.querySelectorAll("[data-row]")];
	const step = (by) => {
		const all = rows();
		if (all.length === 0) return;
		const at = all.findIndex((row) => row.classList.contains("current"));
		const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
		all[at]?.classList.remove("current");
		next.classList.add("current");
		next.querySelector("a").focus();
	};
	document.addEventListener("keydown", (e) => {
		if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input:not([type=checkbox]), select, textarea")) return;
		const keys = {
			"/": () => {
				document.getElementById("find").focus();
				document.getElementById("find").select();
			},
			"j": () => step(1),
			"k": () => step(-1),
			"x": () => rows().find((row) => row.classList.contains("current"))?.querySelector("input")?.click(),
			"go": () => { location.href = "/"; },
			"gm": () => { location.href = "/messages"; },
		};
		const action = keys[before + e.key] || keys[e.key];
		before = e.key === "g" ? "g" : "";
		if (!action) return;
		e.preventDefault();
		action();
	});
})();
