"""Judgement of language models: asked under a budget and a deadline, checked, recorded, and never needed.

    Adviser        evidence about symbols -> bounded views, several times over, shrunk where they disagree
    LanguageModels one question -> Answered | Abstained, over the models in the router's order
    backends       DeepSeek, a local server, Gemini, recorded replies; the only code that imports LangChain, lazily

Whatever goes wrong outside is a value, `Abstained`, with a reason of its own. A reply can say nothing but what its
schema names: aliases of the symbols that were asked about, words of closed lists, short texts.
"""
