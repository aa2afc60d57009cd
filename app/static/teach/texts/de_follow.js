/** Deutsch: several joints at once, by a cursor that is followed. */

export default {
  "follow.open": "Mehrere Gelenke zugleich",
  "follow.lead": "Statt Gesten: Die Hand folgt einem Punkt, und das Modell sagt, wie weit jedes Gelenk bewegt wird, alle zugleich.",
  "follow.names": "Was sich bewegt, mit Kommas dazwischen",
  "follow.note": "Eines bis sechs. Rechts ist die eine Richtung, links die andere: beugen und strecken, aus- und einwärts drehen, öffnen und schließen.",
  "follow.seconds": "Sekunden insgesamt",
  "follow.start": "Dem Punkt folgen",
  "follow.few": "Ein bis sechs verschiedene Namen, und 20 bis 1800 Sekunden.",
  "follow.title_follow": "Folge den Punkten",
  "follow.title_learn": "Lernen",
  "follow.title_done": "Das war alles",
  "follow.how": "Bewege jedes Gelenk so weit wie seinen Punkt, so kräftig, wie es angenehm ist. Der Ring zeigt, wo der Punkt in einer Sekunde sein wird; die Mitte ist Ruhe.",
  "follow.waiting": "Warten auf das Signal.",
  "follow.left": (left) => `noch ${left}`,
  "follow.figures": (model, r2, mae, linear) => `${model} erklärt ${r2} der Bewegungen, die es nicht gelernt hat, und liegt im Mittel ${mae} des Bereichs daneben (ein lineares Modell ${linear}).`,
  "follow.use": "Jetzt verwenden",
  "follow.used": (model, source) => `${model} liest jetzt ${source}. Die Übersicht zeigt, wie weit jedes Gelenk bewegt wird.`,
  "follow.stop": "Aufhören",
  "follow.close": "Schließen",
  "follow.canvas": "Wo jedes Gelenk sein soll, und wo in einer Sekunde",
  "follow.progress": "Wie viel getan ist",
};
