// Draws a dataset's simplified layer. It asks this site alone: there is no ground from elsewhere.
"use strict";

(async () => {
  const place = document.getElementById("map");
  const said = document.getElementById("map-said");
  try {
    const answer = await fetch(place.dataset.layer);
    if (!answer.ok) throw new Error(answer.status);
    const layer = await answer.json();
    place.hidden = false;
    said.hidden = true;
    const map = L.map(place, {
      preferCanvas: true,
      attributionControl: false,
      zoomControl: false,
      maxZoom: 19,
      scrollWheelZoom: false,
    });
    const colour = getComputedStyle(place).getPropertyValue("--accent").trim();
    const drawn = L.geoJSON(layer, {
      style: { color: colour, weight: 1.5, fillOpacity: 0.25 },
      pointToLayer: (_, at) =>
        L.circleMarker(at, { radius: 4, color: colour, weight: 1, fillOpacity: 0.6 }),
      onEachFeature: (feature, shape) => {
        if (!feature.properties.label) return;
        const text = document.createElement("span");
        text.textContent = feature.properties.label;
        shape.bindTooltip(text);
      },
    }).addTo(map);
    L.control.zoom({ zoomInTitle: place.dataset.in, zoomOutTitle: place.dataset.out }).addTo(map);
    L.control.scale({ imperial: false }).addTo(map);
    map.fitBounds(drawn.getBounds(), { maxZoom: 16, padding: [16, 16], animate: false });
    // Only who clicked it zooms by the wheel: the page is to scroll past it.
    map.on("focus", () => map.scrollWheelZoom.enable());
    map.on("blur", () => map.scrollWheelZoom.disable());
    place.dataset.features = layer.features.length;
  } catch {
    place.hidden = true;
    said.hidden = false;
    said.textContent = place.dataset.failed;
  }
})();
